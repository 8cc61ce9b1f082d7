from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from asap_ros.road.pose import pose_from_mounting
from asap_simulation.camera_view import FARTHEST, CameraView, GroundView
from asap_simulation.terrain import Terrain

LEVEL, HILLS = Terrain(), Terrain(7.0, 320.0)


def view_over(terrain, x=30.0, roll=0.0, pitch=0.04, yaw=0.1, width=250, height=120):
    mount = pose_from_mounting(1.3, pitch, roll)
    rotation, position = terrain.pose_on_ground(x, 2.0, yaw)
    return CameraView(
        280.0,
        280.0,
        0.5 * (width - 1),
        0.5 * (height - 1),
        width,
        height,
        rotation @ mount.rotation,
        position + rotation @ mount.translation,
    )


def test_projection_is_a_pinholes():
    view = view_over(LEVEL, roll=0.02)
    points = np.random.default_rng(2).uniform([35, -5, 0], [80, 9, 3], (20, 3))
    u, v, depth = view.project(points)
    optical = Rotation.from_matrix(view.rotation).inv().apply(points - view.position)
    np.testing.assert_allclose(depth, optical[:, 2])
    np.testing.assert_allclose(u, view.cx + 280 * optical[:, 0] / optical[:, 2])
    np.testing.assert_allclose(v, view.cy + 280 * optical[:, 1] / optical[:, 2])


@pytest.mark.parametrize('terrain', [LEVEL, HILLS])
@pytest.mark.parametrize('roll', [0.0, 0.015])
def test_every_pixel_of_the_ground_is_where_the_ground_projects_to_it(terrain, roll):
    view = view_over(terrain, roll=roll)
    ground = GroundView(view, terrain)
    x, y = ground.spread(ground.x), ground.spread(ground.y)
    near = ground.is_ground & (ground.depth < 60)
    assert near.mean() > 0.5
    points = np.stack([x, y, terrain.height(x)], axis=-1)[near]
    u, v, depth = view.project(points)
    rows, columns = np.nonzero(near)
    assert np.abs(u - columns).max() < 0.1
    assert np.abs(v - rows - ground.top).max() < 0.1
    np.testing.assert_allclose(depth, ground.depth[near], rtol=3e-3)


def test_a_crest_hides_what_lies_behind_it():
    terrain = Terrain(8.0, 240.0)
    view = view_over(terrain, x=70.0, yaw=0.0)  # before the crest at 120 m
    ground = GroundView(view, terrain)
    middle = ground.x[:, len(ground.columns) // 2]
    # The dip beyond, whose middle is at 240 m, is out of sight, the next slope may be seen.
    assert not ((middle > 150) & (middle < 230)).any()
    assert (np.diff(middle) <= 1e-6).all(), 'further up in the picture is further away'


def test_nothing_above_the_horizon_is_ground():
    view = view_over(LEVEL)
    ground = GroundView(view, LEVEL)
    rows = np.arange(view.height)[ground.top :, None]
    falls = -view.rays(np.arange(view.width)[None], rows)[..., 2] / view.position[2]
    np.testing.assert_array_equal(ground.is_ground, falls > 1 / FARTHEST)


def test_a_crest_bends_away_and_a_dip_bends_up():
    step = 0.01
    for x, heading in ((160.0, 0.0), (0.0, 0.3), (47.0, -0.2)):
        heights = HILLS.height(x + step * np.array([-1, 0, 1]) * np.cos(heading))
        bend = (heights[0] - 2 * heights[1] + heights[2]) / step**2
        assert HILLS.crest(x, heading) == pytest.approx(-bend, abs=1e-6)
    assert HILLS.crest(160.0, 0.0) > 0 > HILLS.crest(0.0, 0.0)


def test_terrain_carries_a_body_along_its_tangent():
    rotation, position = HILLS.pose_on_ground(50.0, -3.0, 0.4)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1)
    ahead = rotation[:, 0]
    assert np.arctan2(ahead[1], ahead[0]) == pytest.approx(0.4)
    step = 1e-4
    rise = HILLS.height(50.0 + step * ahead[0]) - HILLS.height(50.0 - step * ahead[0])
    assert rise / (2 * step) == pytest.approx(ahead[2], abs=1e-6)
    assert position[2] == pytest.approx(HILLS.height(50.0))
