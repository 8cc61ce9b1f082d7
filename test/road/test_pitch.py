"""Free space is placed with the pitch that the road shows, not with the calibrated one alone."""

from dataclasses import replace

import numpy as np
import pytest

from asap_ros.road.free_space import boundary_points
from asap_ros.road.geometry import Status
from asap_ros.road.labelled_frame import LabelledFrame
from asap_ros.road.options import RoadOptions
from asap_ros.road.road_model import RoadModel
from asap_ros.road.tracker import EgoMotion
from support.road_steps import road_of
from support.synthetic_roads import CAR, LABELS, MOUNT, ROAD, Box, Truth, render

TRUTH = Truth(offset=0.2, heading=0.0, curvature=0.002)
DISTANCE = 25.0
BOX = Box(DISTANCE, 0.2, 1.8, 1.5)


def drive(mask, frames, believed=MOUNT.pitch):
    """Return the model and the last road of a scene seen again and again."""
    model, camera = RoadModel(LABELS), MOUNT.camera(believed)
    for i in range(frames):
        road = model.analyse(LabelledFrame(mask, None, camera), 0.1 * i, EgoMotion(0.0, 0.0))
    return model, road


def middle(road):
    """Return x and sigma of what blocks the middle of the box."""
    column = round(float(MOUNT.pixels(BOX.x, BOX.y)[0]))
    assert road.space.blocker[column] == CAR
    return road.space.x[column], road.space.sigma[column]


@pytest.mark.parametrize('off', [0.0087, -0.0087])
def test_a_mounting_that_is_wrong_by_half_a_degree_is_learnt(off):
    mask = render(TRUTH, boxes=(BOX,), sigma=1.0, rng=np.random.default_rng(0))
    model, road = drive(mask, 15, MOUNT.pitch - off)
    x, sigma = middle(road)
    assert abs(road.camera.ground(511, MOUNT.row_of(DISTANCE))[0] - DISTANCE) > 3.0
    assert x == pytest.approx(DISTANCE, abs=0.5) and sigma < 1.5
    # Everything that is made of free space agrees, and with the corridor's end.
    scan = model.scan(road, (0.0, 0.0))
    assert scan.ranges[len(scan.ranges) // 2] == pytest.approx(DISTANCE, abs=0.6)
    cells = model.grid(road)
    line = cells.cells[int(-cells.origin[1] / cells.resolution)]
    assert np.flatnonzero(line == 100).min() * cells.resolution == pytest.approx(DISTANCE, abs=0.6)
    assert road.geometry.blocker_distance == pytest.approx(DISTANCE, abs=0.6)
    ground = model.ground_points(road)
    for row in (280, 350, 450):
        seen = np.flatnonzero(mask[row] == ROAD)[[5, -5]]
        x, y = MOUNT.camera().ground(seen, row)
        np.testing.assert_allclose(ground[row, seen, :2], np.stack([x, y], axis=1), rtol=0.02)


def test_bumps_are_taken_out_of_the_frames_that_they_shake():
    model, camera = RoadModel(LABELS), MOUNT.camera()
    for i in range(20):
        shake = 0.005 * (-1) ** i
        mask = render(TRUTH, replace(MOUNT, pitch=MOUNT.pitch + shake), (BOX,))
        road = model.analyse(LabelledFrame(mask, None, camera), 0.1 * i, EgoMotion(0.0, 0.0))
        if i < 10:
            continue
        at = road.space.blocker == CAR
        calibrated = camera.ground(511, road.space.contact[at] + 0.5)[0]
        assert abs(np.median(calibrated) - DISTANCE) > 2.0
        assert np.median(road.space.x[at]) == pytest.approx(DISTANCE, abs=0.6)
    assert abs(model.tracker.mount_pitch) < 1e-3, 'and are not taken for the mounting'


@pytest.mark.parametrize('widening', [0.005, 0.01])
def test_a_road_that_widens_costs_no_more_than_the_sigma_says(widening):
    mask = render(replace(TRUTH, widening=widening), boxes=(BOX,))
    x, sigma = middle(drive(mask, 15)[1])
    assert abs(x - DISTANCE) < 1.96 * sigma


def test_without_a_road_the_calibrated_pitch_counts():
    mask = render(replace(TRUTH, width=200.0), boxes=(BOX,))
    road = road_of(mask)
    assert not road.geometry.valid and road.space.camera.pitch == road.camera.pitch
    x, sigma = middle(road)
    assert x == pytest.approx(DISTANCE, abs=0.5)
    assert sigma == pytest.approx(road.camera.range_sigma(x, 0.0, 1.0, 0.005, 0.02), rel=0.01)


def test_the_learnt_pitch_stays_where_the_road_is_lost():
    mask = render(TRUTH, boxes=(BOX,))
    model, _ = drive(mask, 15, MOUNT.pitch - 0.0087)
    wide = render(replace(TRUTH, width=200.0), boxes=(BOX,))
    road = model.analyse(LabelledFrame(wide, None, MOUNT.camera(MOUNT.pitch - 0.0087)), 5.0)
    assert not road.geometry.valid and not road.geometry.status & Status.COASTING
    assert middle(road)[0] == pytest.approx(DISTANCE, abs=1.5), 'the calibrated one says 29 m'


@pytest.mark.parametrize('crest', [1 / 1000, -1 / 1000])
def test_what_stands_beyond_a_crest_or_in_a_dip_is_placed_where_it_is(crest):
    """A plane would have it at 20 and at 33 m."""
    box = replace(BOX, z=-0.5 * crest * DISTANCE**2)
    model, camera = RoadModel(LABELS), MOUNT.camera()
    road = model.analyse(
        LabelledFrame(render(TRUTH, boxes=(box,), crest=crest), None, camera), 0.0
    )
    assert road.geometry.status & Status.NOT_FLAT
    column = round(float(MOUNT.pixels(box.x, box.y, box.z)[0]))
    x, sigma = road.space.x[column], road.space.sigma[column]
    assert road.space.blocker[column] == CAR
    assert x == pytest.approx(DISTANCE, abs=1.0) and abs(x - DISTANCE) < 1.96 * sigma
    scan = model.scan(road)
    assert scan.ranges[len(scan.ranges) // 2] == pytest.approx(x, abs=0.1)
    at = boundary_points(road.space)
    at = at[np.argmin(np.abs(at[:, 1] - road.space.y[column]) + 100 * (at[:, 3] != CAR))]
    assert at[2] == pytest.approx(box.z, abs=0.1)
    foot = model.ground_points(road)[road.space.contact[column], column]
    assert foot[0] == pytest.approx(x, abs=0.5) and foot[2] == pytest.approx(box.z, abs=0.1)
    cells = model.grid(road).cells
    row = cells[cells.shape[0] // 2]
    assert (row[int(10 * (x - 3)) : int(10 * (x - 0.5))] == 0).all() and row[int(10 * x)] == 100
    assert (row[int(10 * (x + 1)) : int(10 * (x + 4))] == -1).all()


def test_ground_points_beyond_a_crest_end_where_free_space_does():
    model = RoadModel(LABELS, RoadOptions(range_max=40.0))
    road = model.analyse(LabelledFrame(render(TRUTH, crest=1 / 1600), None, MOUNT.camera()), 0.0)
    points = model.ground_points(road)
    reach = np.hypot(*(points[..., i] - road.camera.translation[i] for i in (0, 1)))
    assert road.space.crest and 35.0 < np.nanmax(reach) <= 40.01


def test_a_fit_that_is_refused_bends_no_ground():
    mask = render(TRUTH, crest=1 / 1000)
    road = road_of(mask, believed_pitch=MOUNT.pitch - 0.06)
    assert road.fit.crest and road.geometry.status & Status.PITCH_OUT_OF_PRIOR
    assert not road.geometry.valid and road.space.crest == 0.0
