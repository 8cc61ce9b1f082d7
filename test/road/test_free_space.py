"""The boundary of free space, column by column, against boxes whose feet are known."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ros.labels import IGNORED, Role
from asap_ros.road.free_space import BLOCKED, FREE, UNKNOWN, boundary_points, hood_rows
from asap_ros.road.options import RoadOptions
from support.road_steps import free_space_of
from support.synthetic_roads import (
    BUILDING,
    CAR,
    LABELS,
    MOUNT,
    PERSON,
    ROAD,
    SIDEWALK,
    SKY,
    Box,
    Mount,
    Truth,
    render,
)

WIDE = Truth(offset=0.0, heading=0.0, width=200.0)


@pytest.mark.parametrize('distance', [5.0, 7.5, 10.0, 20.0, 30.0, 40.0])
@pytest.mark.parametrize('label, width', [(CAR, 1.8), (PERSON, 0.4)])
def test_columns_of_a_box(distance, label, width):
    columns = within = 0
    for shift in np.linspace(-0.2, 0.2, 9):
        box = Box(distance + shift, 0.3 + shift, width, 1.6, label)
        space = free_space_of(render(WIDE, boxes=(box,)))
        first, last, _, foot = box.rectangle(MOUNT)
        on = slice(first, last + 1)
        columns += last + 1 - first
        within += int((np.abs(space.contact[on] - foot) <= 1).sum())
        assert (space.state[on] == BLOCKED).all(), 'no column may be called free'
        assert (space.blocker[on] == label).all()
        metre_a_row = MOUNT.camera().range_sigma(distance, 0.0, 1.0)
        assert np.abs(space.x[on] - box.x).max() < 1.5 * metre_a_row
        assert (space.state[: first - 2] == FREE).all() and (space.state[last + 3 :] == FREE).all()
    assert within >= 0.99 * columns


@pytest.mark.parametrize('pixels', [1, 2, 3])
@pytest.mark.parametrize('label', [LABELS.id_of('pole'), PERSON, CAR])
def test_a_thin_post_is_never_closed_over(pixels, label):
    mask = render(WIDE)
    mask[150:300, 400 : 400 + pixels] = label
    space = free_space_of(mask)
    assert (space.state[400 : 400 + pixels] == BLOCKED).all()
    assert (np.abs(space.contact[400 : 400 + pixels] - 299) <= 1).all()


def test_specks_are_closed_over_but_not_living_ones():
    mask = render(WIDE)
    mask[350:352, 300:302] = BUILDING
    mask[350:352, 600:602] = PERSON
    space = free_space_of(mask)
    assert (space.state[300:302] == FREE).all()
    assert (space.blocker[600:602] == PERSON).all()


def test_only_the_road_that_the_vehicle_is_on_is_free():
    mask = np.full((512, 1024), SIDEWALK, np.uint8)
    mask[:220] = SKY
    mask[230:, 300:700] = ROAD
    mask[300:340, 800:1000] = ROAD
    space = free_space_of(mask)
    assert space.free[400, 500] == 1 and not space.free[:, 750:].any()
    assert (space.contact[810:990] == 511).all(), 'the pavement before it blocks'


def test_hood_fraction_and_polygon():
    options = RoadOptions(hood_fraction=0.125)
    assert (hood_rows(100, 64, options) == 55).all()
    options = RoadOptions(hood_polygon=((0.25, 1.0), (0.25, 0.75), (0.75, 0.75), (0.75, 1.0)))
    rows = hood_rows(100, 64, options)
    assert rows[50] == pytest.approx(47, abs=1) and rows[10] == 63 and rows[90] == 63
    mask = render(WIDE)
    mask[450:] = CAR
    assert (free_space_of(mask).contact == 511).all()
    space = free_space_of(mask, RoadOptions(hood_fraction=0.125))
    assert (space.state == FREE).all() and space.start.max() < 449


def test_unlabelled_bottom_is_the_vehicle_and_unlabelled_elsewhere_is_unknown():
    mask = render(WIDE)
    mask[480:] = IGNORED
    mask[300:320, 100:200] = IGNORED
    space = free_space_of(mask)
    assert (space.start == 479).all()
    assert (space.state[100:200] == UNKNOWN).all() and (space.blocker[100:200] == IGNORED).all()
    assert np.isfinite(space.x[100:200]).all(), 'free up to there'
    assert (space.state[300:] == FREE).all()


def test_low_confidence_is_unlabelled():
    mask, confidence = render(WIDE), np.full((512, 1024), 200, np.uint8)
    confidence[300:320, 100:200] = 40
    space = free_space_of(mask, RoadOptions(min_confidence=64), confidence=confidence)
    assert (space.state[102:198] == UNKNOWN).all()
    assert (free_space_of(mask, confidence=confidence).state == FREE).all()


def test_boundary_points_carry_class_sigma_and_confidence():
    box = Box(15.0, 0.0, 1.8, 1.5)
    confidence = np.full((512, 1024), 102, np.uint8)
    points = boundary_points(free_space_of(render(WIDE, boxes=(box,)), confidence=confidence))
    assert points.dtype == np.float32 and points.shape[1] == 6
    x, y, z, label, sigma, sure = points.T
    assert np.abs(x - 15).max() < 0.3 and np.abs(y).max() < 0.95 and (z == 0).all()
    assert (label == CAR).all() and np.allclose(sure, 0.4, atol=1e-3)
    # 1 pixel, 5 mrad and 2 cm at 15 m.
    expected = np.hypot(np.hypot(15**2 / 1131 / 1.22, 15**2 / 1.22 * 0.005), 15 / 1.22 * 0.02)
    assert sigma == pytest.approx(expected, rel=0.05)


def test_what_is_beyond_range_max_does_not_block():
    space = free_space_of(
        render(WIDE, boxes=(Box(40.0, 0.0, 3.0, 2.0),)), RoadOptions(range_max=30.0, edge_far=25.0)
    )
    assert (space.state == FREE).all()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 48),
    st.integers(1, 64),
    st.floats(-0.5, 0.8),
    st.floats(-0.3, 0.3),
    st.floats(0.0, 0.9),
)
def test_any_mask(seed, height, width, pitch, roll, hood):
    rng = np.random.default_rng(seed)
    mask = rng.choice(np.array([ROAD, ROAD, CAR, SKY, IGNORED, 77], np.uint8), (height, width))
    mount = Mount(
        f=60.0, cx=width / 2, cy=height / 2, width=width, height=height, pitch=pitch, roll=roll
    )
    space = free_space_of(mask, RoadOptions(hood_fraction=hood), mount=mount)
    finite = np.isfinite(space.x)
    assert (finite == np.isfinite(space.y)).all() and (finite == np.isfinite(space.sigma)).all()
    assert finite[space.state == BLOCKED].all()
    assert not finite[space.state == FREE].any()
    columns = np.flatnonzero(space.state == BLOCKED)
    assert (mask[space.contact[columns], columns] != IGNORED).all()
    for u in columns:
        assert space.free[space.contact[u] + 1 : space.start[u] + 1, u].all()
        assert not space.free[space.contact[u], u]


@pytest.mark.parametrize('yaw', [0.0, 0.8, -0.8, 1.57, -1.57, 2.4, 3.14])
def test_a_camera_that_looks_any_way_has_free_space_of_its_own(yaw):
    mount = replace(MOUNT, f=600.0, pitch=0.1, yaw=yaw, x=0.5, y=np.sign(yaw) * 0.9)
    mask = np.full((mount.height, mount.width), ROAD, np.uint8)
    mask[: int(mount.camera().horizon(mount.cx)) + 2] = SKY
    mask[100:400, 600:640] = CAR
    space = free_space_of(mask, mount=mount)
    assert set(np.unique(space.blocker[space.state == BLOCKED])) == {CAR}
    assert (space.state[:590] == FREE).all() and (space.state[650:] == FREE).all()


def test_road_that_is_joined_to_no_ground_the_vehicle_can_reach_is_unknown():
    """A queue: the lead car's foot lies below the picture; the lanes beside it are empty."""
    mask = np.full((512, 1024), ROAD, np.uint8)
    mask[: int(MOUNT.camera().horizon(MOUNT.cx)) + 2] = SKY
    mask[150:, 220:800] = CAR
    space = free_space_of(mask)
    assert (space.state[220:800] == BLOCKED).all() and (space.blocker[220:800] == CAR).all()
    beside = np.r_[0:220, 800:1024]
    assert (space.state[beside] == UNKNOWN).all() and (space.blocker[beside] == IGNORED).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-3.2, 3.2), st.floats(0.0, 0.3), st.floats(0.0, 0.5))
def test_what_blocks_is_never_drivable(seed, yaw, pitch, hood):
    rng = np.random.default_rng(seed)
    blocks = rng.choice(np.array([ROAD, ROAD, CAR, SIDEWALK, IGNORED], np.uint8), (8, 16))
    mask = np.kron(blocks, np.ones((16, 16), np.uint8))
    mount = replace(MOUNT.resized(0.25), yaw=yaw, pitch=pitch)
    space = free_space_of(mask, RoadOptions(hood_fraction=hood), mount)
    drivable = LABELS.is_role(Role.DRIVABLE)
    assert not drivable[space.blocker].any()
