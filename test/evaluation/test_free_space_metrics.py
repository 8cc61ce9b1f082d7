"""The boundary of free space is held against metric truth, or another mask's, column by column."""

import numpy as np
import pytest

from asap_ros.bags.message_readers import TrueSpace
from asap_ros.evaluation import free_space_metrics
from asap_ros.road.free_space import find_free_space, hood_rows
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from support import synthetic_roads as roads
from support.synthetic_roads import LABELS, Box, Mount, Truth

MOUNT = Mount(f=283.0, cx=127.5, cy=63.5, width=256, height=128)
OPTIONS = RoadOptions()
REACH = OPTIONS.range_max
ROAD = Truth(0.3, 0.0, 0.002)
CAR = Box(15.0, 0.0, 1.8, 1.5)


def space_of(mask, mount=MOUNT, options=OPTIONS):
    hood = hood_rows(mount.width, mount.height, options)
    return find_free_space(LabelledFrame(mask, None, mount.camera()), LABELS, options, hood)


def against(mask, reference, options=OPTIONS):
    space, other = space_of(mask, options=options), space_of(reference, options=options)
    return free_space_metrics.compare(
        space, np.minimum(space.start, other.start), free_space_metrics.of_mask(other), LABELS
    )


def shifted(mask, rows):
    """Return a mask whose boundary lies ``rows`` further up (further away)."""
    moved = np.roll(mask, -rows, axis=0)
    moved[-rows:] = mask[-1]
    return moved


def test_a_mask_against_itself_is_right_in_every_column():
    mask = roads.render(ROAD, MOUNT, (CAR,))
    told = against(mask, mask)
    assert told['columns'] == told['within_4px'] == MOUNT.width and told['false_free'] == 0
    assert told['obstacles'] == told['obstacles_found'] == 1
    assert told['columns.car'] == told['within_4px.car'] > 20
    assert sum(v for k, v in told.items() if k.startswith('columns.')) == told['columns']
    assert 'range_columns' not in told  # a mask is no metric truth


@pytest.mark.parametrize('rows, within, free', [(4, 1.0, 0.0), (5, 0.0, 1.0)])
def test_four_rows_are_within_and_five_are_not(rows, within, free):
    mask = np.full((128, 256), roads.SIDEWALK, np.uint8)
    mask[90:] = roads.ROAD
    told = against(shifted(mask, rows), mask)
    assert told['within_4px'] == within * told['columns']
    assert told['false_free'] == free * told['columns']


def test_too_near_is_off_but_not_falsely_free():
    mask = np.full((128, 256), roads.SIDEWALK, np.uint8)
    mask[90:] = roads.ROAD
    told = against(mask, shifted(mask, 8))
    assert told['within_4px'] == told['false_free'] == 0


def test_an_obstacle_that_is_overlooked_is_not_found():
    empty, full = roads.render(ROAD, MOUNT), roads.render(ROAD, MOUNT, (CAR,))
    told = against(empty, full)
    assert (told['obstacles'], told['obstacles_found']) == (1, 0)
    assert told['false_free.car'] == told['columns.car'] > 20
    assert told['false_free'] == told['false_free.car']
    # The other way round there is none to be found, and nothing is called free that is not.
    assert against(full, empty)['obstacles'] == against(full, empty)['false_free'] == 0


def test_what_either_side_hides_below_is_not_held_against_the_other():
    mask = roads.render(ROAD, MOUNT)
    reference = mask.copy()
    reference[-20:] = 255  # its bonnet, unlabelled
    told = against(mask, reference)
    assert told['within_4px'] == told['columns'] > 200 and told['false_free'] == 0


def metric(box, extra=0.0):
    """Return metric truth of a wall across the view at a box's distance, one point a column."""
    u = np.arange(MOUNT.width)
    x = np.full(MOUNT.width, box.x + extra)
    depth = x * np.cos(MOUNT.pitch) + MOUNT.up * np.sin(MOUNT.pitch)
    return TrueSpace(
        x,
        -(u - MOUNT.cx) / MOUNT.f * depth,
        np.zeros(MOUNT.width),
        np.full(MOUNT.width, roads.CAR, np.uint8),
    )


def wall(box):
    mask = np.full((MOUNT.height, MOUNT.width), roads.ROAD, np.uint8)
    mask[: int(np.floor(MOUNT.row_of(box.x))) + 1] = roads.CAR
    return mask


IDENTITY = np.arange(256, dtype=np.uint8)


def test_metric_truth_gives_ranges_too():
    box = Box(15.0, 0.0, 30.0, 5.0)
    space = space_of(wall(box))
    for extra in (0.0, 1.0):
        boundary = free_space_metrics.of_truth(metric(box, extra), space.camera, IDENTITY, REACH)
        told = free_space_metrics.compare(space, space.start, boundary, LABELS)
        assert told['within_4px'] == told['columns'] == told['range_columns'] == MOUNT.width
        # Half a row is 0.35 m at this distance and focal length.
        assert told['range_error_m'] / told['range_columns'] == pytest.approx(extra, abs=0.4)


def test_what_stands_beyond_the_range_that_is_told_is_no_obstacle():
    box = Box(15.0, 0.0, 30.0, 5.0)
    space = space_of(wall(box))
    told = []
    for reach in (20.0, 10.0):
        boundary = free_space_metrics.of_truth(metric(box), space.camera, IDENTITY, reach)
        told.append(free_space_metrics.compare(space, space.start, boundary, LABELS))
    assert [t['obstacles'] for t in told] == [1, 0] == [t['obstacles_found'] for t in told]
    assert told[1]['columns.nothing'] == told[0]['columns.car'] == MOUNT.width


def test_a_nodding_camera_is_compared_by_its_true_pitch():
    box = Box(15.0, 0.0, 30.0, 5.0)
    nod = Mount(**{**MOUNT.__dict__, 'pitch': MOUNT.pitch + 0.03})
    mask = np.full((MOUNT.height, MOUNT.width), roads.ROAD, np.uint8)
    mask[: int(np.floor(nod.row_of(box.x))) + 1] = roads.CAR
    space = space_of(mask)  # which believes in the calibrated pitch
    shares = []
    for pitch in (nod.pitch, None):
        boundary = free_space_metrics.of_truth(metric(box), space.camera, IDENTITY, REACH, pitch)
        told = free_space_metrics.compare(space, space.start, boundary, LABELS)
        shares.append(told['within_4px'] / told['columns'])
    assert shares == [1.0, 0.0]


def test_free_to_the_horizon_in_truth_and_mask_alike():
    mask = np.full((MOUNT.height, MOUNT.width), roads.ROAD, np.uint8)
    mask[: int(MOUNT.row_of(1e6))] = roads.SKY
    space = space_of(mask)
    nothing = np.full(MOUNT.width, np.nan)
    boundary = free_space_metrics.of_truth(
        TrueSpace(nothing, nothing, nothing, np.full(MOUNT.width, 255, np.uint8)),
        space.camera,
        IDENTITY,
        REACH,
    )
    told = free_space_metrics.compare(space, space.start, boundary, LABELS)
    assert told['columns'] == told['columns.nothing'] == told['within_4px'] == MOUNT.width
    assert told['false_free'] == told['obstacles'] == 0 and 'range_columns' not in told


def test_truth_of_finer_columns_is_sampled_at_the_centres_of_the_masks():
    box = Box(15.0, 0.0, 30.0, 5.0)
    space = space_of(wall(box))
    fine = TrueSpace(*(np.repeat(a, 2) for a in vars(metric(box)).values()))
    boundary = free_space_metrics.of_truth(fine, space.camera, IDENTITY, REACH)
    assert np.allclose(boundary.x, metric(box).x) and len(boundary.row) == MOUNT.width
    assert np.allclose(boundary.y, metric(box).y)
