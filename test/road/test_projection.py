"""Pixels to ground and back, against scipy's rotations."""

from dataclasses import replace

import numpy as np
import pytest

from asap_ros.road.pose import PoseError, pose_from_mounting
from asap_ros.road.projection import Camera
from support.synthetic_roads import MOUNT, Mount

TILTED = Mount(roll=0.05, yaw=-0.1, x=1.7, y=0.2, pitch=0.06)


@pytest.mark.parametrize('mount', [MOUNT, TILTED])
def test_projection_is_that_of_the_rotations(mount):
    x, y = np.meshgrid(np.linspace(5, 40, 8), np.linspace(-6, 6, 7))
    expected = mount.pixels(x, y)
    np.testing.assert_allclose(mount.camera().project(x, y), expected, atol=1e-9)
    np.testing.assert_allclose(mount.camera().ground(*expected), (x, y), atol=1e-8)


def test_signs():
    camera = MOUNT.camera()
    assert camera.horizon(MOUNT.cx) < MOUNT.cy, 'nose down lifts the horizon'
    assert camera.project(10, 1)[0] < MOUNT.cx, 'what is to the left is on the left'
    assert camera.pitch == pytest.approx(0.038)
    assert camera.pitched(0.01).pitch == pytest.approx(0.048)
    assert replace_mount(yaw=0.1).project(10, 0)[0] > MOUNT.cx, 'looking left, ahead is right'
    rolled = replace_mount(roll=0.1)
    assert rolled.horizon(1023) < rolled.horizon(0), 'right side down lifts it on the right'


def replace_mount(**changes):
    return replace(MOUNT, **changes).camera()


@pytest.mark.parametrize('mount', [MOUNT, TILTED])
def test_nothing_above_the_horizon_is_on_the_ground(mount):
    camera, u = mount.camera(), np.arange(mount.width)
    row = camera.horizon(u)
    assert np.isnan(camera.ground(u, row - 0.01)[0]).all()
    assert np.isfinite(camera.ground(u, row + 5)[0]).all()
    far = mount.pixels(mount.x + 1e5 * np.cos(mount.yaw), mount.y + 1e5 * np.sin(mount.yaw))
    assert camera.horizon(far[0]) == pytest.approx(far[1], abs=0.02)


def test_nothing_behind_the_camera_is_in_the_image():
    assert np.isnan(MOUNT.camera().project([-5.0, -1.0], [0.0, 1.0])).all()


def test_range_sigma_is_what_a_shifted_row_pitch_or_height_does():
    camera = MOUNT.camera()
    v = MOUNT.row_of(20.0)
    x = camera.ground(MOUNT.cx, v)[0]
    row = abs(camera.ground(MOUNT.cx, v + 0.5)[0] - camera.ground(MOUNT.cx, v - 0.5)[0])
    pitch = (
        abs(
            camera.pitched(1e-3).ground(MOUNT.cx, v)[0]
            - camera.pitched(-1e-3).ground(MOUNT.cx, v)[0]
        )
        / 2
    )
    height = abs(replace_mount(up=1.23).ground(MOUNT.cx, v)[0] - x)
    assert camera.range_sigma(x, 0.0, 1.0) == pytest.approx(row, rel=0.02)
    assert camera.range_sigma(x, 0.0, 0.0, 1e-3) == pytest.approx(pitch, rel=0.02)
    assert camera.range_sigma(x, 0.0, 0.0, 0.0, 0.01) == pytest.approx(height, rel=0.02)
    assert camera.range_sigma(x, 0.0, 1.0, 1e-3, 0.01) == pytest.approx(
        np.sqrt(row**2 + pitch**2 + height**2), rel=0.02
    )


@pytest.mark.parametrize('pitch, roll', [(np.pi / 2, 0.0), (0.0, np.pi), (0.0, np.pi / 2)])
def test_a_camera_without_a_horizon_below_which_the_ground_is(pitch, roll):
    pose = pose_from_mounting(1.5, pitch, roll)
    with pytest.raises(PoseError, match='upside down'):
        Camera(500, 500, 100, 100, 200, 200, pose.rotation, pose.translation)


@pytest.mark.parametrize('roll', [0.0, 0.08])
@pytest.mark.parametrize('distance', [4.0, 20.0, 60.0])
def test_rows_at_a_range_are_that_far_away(roll, distance):
    mount = Mount(roll=roll, yaw=0.1, x=1.7, y=0.3)
    u, camera = np.arange(mount.width), mount.camera()
    x, y = camera.ground(u, camera.row_at_range(u, distance))
    np.testing.assert_allclose(np.hypot(x - 1.7, y - 0.3), distance, rtol=1e-6)
