"""Scan, grid and ground points of scenes that can be drawn by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ros.labels import IGNORED
from asap_ros.road import grids
from asap_ros.road.free_space import boundary_points, hood_rows, project_to_ground
from asap_ros.road.options import RoadOptions
from support.road_steps import free_space_of
from support.synthetic_roads import (
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
AHEAD = Mount(x=1.7, y=0.2, yaw=0.05)
BOX = Box(15.0, 1.0, 1.8, 1.5)


def scan_angles(scan):
    return scan.angle_min + scan.angle_increment * np.arange(len(scan.ranges))


def test_scan_of_a_box_on_an_open_plain():
    scan = grids.polar_scan(free_space_of(render(WIDE, boxes=(BOX,))), RoadOptions())
    angle = scan_angles(scan)
    assert scan.origin == (0.0, 0.0) and angle[len(angle) // 2] == pytest.approx(0, abs=1e-12)
    on = (angle > np.arctan2(0.15, 15)) & (angle < np.arctan2(1.85, 15))
    # A row is 0.16 m at 15 m.
    assert np.abs(scan.ranges[on] - 15 / np.cos(angle[on])).max() < 0.2
    assert (scan.classes[on] == CAR).all()
    view = np.arctan(511 / 1131)
    open_ = (np.abs(angle) < view - 0.01) & ((angle < 0) | (angle > np.arctan2(2.0, 15)))
    assert np.isposinf(scan.ranges[open_]).all() and (scan.classes[open_] == IGNORED).all()
    assert np.isnan(scan.ranges[np.abs(angle) > view + 0.01]).all(), 'out of view is unknown'
    assert 4 < scan.range_min < 5


def test_scan_about_another_origin_has_the_box_at_its_place():
    space = free_space_of(render(WIDE, AHEAD, (BOX,)), mount=AHEAD)
    foot = grids.polar_scan(space, RoadOptions())
    assert foot.origin == (1.7, 0.2)
    for scan in (foot, grids.polar_scan(space, RoadOptions(), origin=(0.0, 0.0))):
        hit = scan.classes == CAR
        angle = scan_angles(scan)[hit]
        x = scan.origin[0] + scan.ranges[hit] * np.cos(angle)
        y = scan.origin[1] + scan.ranges[hit] * np.sin(angle)
        assert np.abs(x - 15).max() < 0.25
        assert y.min() == pytest.approx(0.1, abs=0.2) and y.max() == pytest.approx(1.9, abs=0.2)


def test_scan_is_unknown_where_the_nearest_thing_is():
    mask = render(WIDE, boxes=(BOX,))
    mask[340:360, 380:640] = IGNORED
    scan = grids.polar_scan(free_space_of(mask), RoadOptions())
    assert np.isnan(scan.ranges[np.abs(scan_angles(scan)) < 0.09]).all()


@settings(max_examples=60, deadline=None)
@given(
    st.floats(1.0, 3.0),
    st.floats(0.0, 0.3),
    st.sampled_from([0.0, 0.6, -0.9, 1.57, 3.1]),
    st.floats(-1.5, 2.0),
    st.floats(-1.0, 1.0),
    st.sampled_from([0.0, 0.05, 0.2]),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.floats(0.1, 0.7),
    st.floats(0.05, 0.3),
    st.integers(0, 2),
)
def test_what_touches_the_bumper_is_in_scan_grid_and_boundary(
    up, pitch, yaw, x, y, hood, scale, left, width, lift
):
    """Somebody whose feet are at, or up to two rows above, the lowest row that is looked at."""
    mount = replace(MOUNT, up=up, pitch=pitch, yaw=yaw, x=x, y=y, f=600.0).resized(scale)
    options = RoadOptions(hood_fraction=hood, grid_behind=30.0, grid_size=60.0)
    mask = np.full((mount.height, mount.width), ROAD, np.uint8)
    mask[: int(mount.camera().horizon(mount.cx)) + 1] = SKY
    columns = slice(int(left * mount.width), int((left + width) * mount.width))
    lowest = int(hood_rows(mount.width, mount.height, options).max())
    mask[mount.height // 4 : lowest + 1 - lift, columns] = PERSON
    space = free_space_of(mask, options, mount)
    person = space.blocker == PERSON
    assert person[columns].all() and (space.contact[columns] >= lowest - lift).all()
    for origin in (None, (0.0, 0.0)):
        scan = grids.polar_scan(space, options, origin)
        finite = np.isfinite(scan.ranges)
        assert (scan.ranges[finite] >= np.float32(scan.range_min)).all()
    points = boundary_points(space)
    assert (points[:, 3] == PERSON).sum() == person.sum()
    grid = grids.occupancy_grid(space, grids.grid_table(mount.camera(), options))
    inside = person & (np.abs(space.x) < 29) & (np.abs(space.y) < 29)
    assert all(cell_of(grid, *at) == 100 for at in zip(space.x[inside], space.y[inside]))


def test_thin_post_is_in_the_scan_and_the_grid():
    mask = render(WIDE)
    foot = int(MOUNT.row_of(12.0))
    mask[100:foot, 700] = LABELS.id_of('pole')
    space = free_space_of(mask)
    scan = grids.polar_scan(space, RoadOptions())
    assert np.isfinite(scan.ranges).sum() == 1
    table = grids.grid_table(MOUNT.camera(), RoadOptions())
    assert (grids.occupancy_grid(space, table).cells == 100).sum() >= 1


def cell_of(grid, x, y):
    return grid.cells[
        int((y - grid.origin[1]) // grid.resolution), int((x - grid.origin[0]) // grid.resolution)
    ]


@pytest.mark.parametrize('mount', [MOUNT, AHEAD])
def test_grid_of_a_box_on_an_open_plain(mount):
    options = RoadOptions(grid_size=60.0, grid_resolution=0.2)
    grid = grids.occupancy_grid(
        free_space_of(render(WIDE, mount, (BOX,)), mount=mount),
        grids.grid_table(mount.camera(), options),
    )
    assert grid.cells.shape == (300, 300) and grid.cells.dtype == np.int8
    assert grid.origin == (0.0, -30.0)
    assert all(cell_of(grid, x, 0.0) == 0 for x in np.arange(8, 35, 0.2)), 'no holes'
    assert all(cell_of(grid, x, 1.0) == 0 for x in np.arange(8, 14.6, 0.2))
    assert all(
        any(cell_of(grid, x, y) == 100 for x in (14.7, 14.9, 15.1, 15.3))
        for y in np.arange(0.2, 1.8, 0.2)
    )
    assert all(cell_of(grid, x, 1 + (x - 15) / 15) == -1 for x in np.arange(16, 30, 0.2))
    assert cell_of(grid, 2.0, 0.0) == -1, 'before the view'
    assert cell_of(grid, 10.0, 25.0) == -1, 'beside the view'
    assert set(np.unique(grid.cells)) == {-1, 0, 100}


@pytest.mark.parametrize('mount', [MOUNT, AHEAD, replace(AHEAD, roll=0.05)])
@pytest.mark.parametrize('pitched', [-0.012, 0.012])
def test_the_grid_of_a_pitched_camera_is_that_of_its_own_table(mount, pitched):
    options, camera = RoadOptions(), mount.camera()
    mask = render(Truth(width=8.0, offset=1.0), replace(mount, roll=0.0), (BOX,))
    space = free_space_of(mask, mount=mount)
    space = project_to_ground(space.columns, camera.pitched(pitched), options, 0.005)
    found = grids.occupancy_grid(space, grids.grid_table(camera, options)).cells
    exact = grids.occupancy_grid(space, grids.grid_table(space.camera, options)).cells
    free, boundary = exact == 0, exact == 100
    assert (found[free] != 0).mean() < 0.02 and (free[found == 0] == 0).mean() < 0.02
    assert (found[boundary] == 100).mean() > 0.9


def test_nothing_is_free_under_the_hood():
    options = RoadOptions(hood_fraction=0.3)
    grid = grids.occupancy_grid(
        free_space_of(render(WIDE), options=options), grids.grid_table(MOUNT.camera(), options)
    )
    first_seen = MOUNT.camera().ground(MOUNT.cx, 512 * 0.7)[0]
    free_x = (np.flatnonzero((grid.cells == 0).any(axis=0)) + 0.5) * grid.resolution
    assert free_x.min() == pytest.approx(first_seen, abs=0.3)


def test_ground_points_lie_on_the_ground_and_nowhere_else():
    box, options = Box(15.0, 0.0, 1.8, 1.5), RoadOptions()
    mask = render(Truth(width=7.0), boxes=(box,))
    space = free_space_of(mask)
    hood = hood_rows(1024, 512, options)
    points = grids.ground_points(space, mask, LABELS, options, hood)
    assert points.shape == (512, 1024, 3) and points.dtype == np.float32
    on = np.isfinite(points[..., 0])
    assert (np.isfinite(points).all(axis=-1) == on).all() and (points[on][:, 2] == 0).all()
    u, v = MOUNT.pixels(*points[on].astype(float).T)
    rows, columns = np.nonzero(on)
    # A float32 metre is good to 0.05 pixels this near.
    assert np.abs(u - columns).max() < 0.05 and np.abs(v - rows).max() < 0.05
    assert on[mask == ROAD][-1000:].all() and on[500][mask[500] == SIDEWALK].all()
    first, last, top, foot = box.rectangle(MOUNT)
    assert on[foot, first : last + 1].all(), 'the foot of what blocks'
    assert not on[top : foot - 2, first : last + 1].any(), 'but nothing above it'
    assert not on[: int(MOUNT.row_of(70))].any()
