"""Pixels to ground and back, against scipy's rotations; calibrations that must be refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from asap_ros.road.projection import (
    Calibration,
    Camera,
    CameraError,
    PoseError,
    build_camera,
    doubt_rectified,
    pose_from_mounting,
    pose_from_quaternion,
    projection,
)
from support.synthetic_roads import MOUNT, Mount

K = (2262.5, 0, 1097.0, 0, 2265.3, 513.1, 0, 0, 1)
P = (2262.5, 0, 1097.0, 0, 0, 2265.3, 513.1, 0, 0, 0, 1, 0)
CALIBRATION = Calibration(2048, 1024, K, (0.0,) * 5, P)
POSE = pose_from_mounting(1.22, 0.038)
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


def test_quaternion_and_mounting_are_the_same_pose():
    body = Rotation.from_euler('ZYX', [-0.0195, 0.038, 0.01]).as_matrix()
    optical = Rotation.from_matrix(body @ np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]]))
    one = pose_from_quaternion(*optical.as_quat(), 1.7, 0.1, 1.22)
    other = pose_from_mounting(1.22, 0.038, 0.01, -0.0195, 1.7, 0.1)
    np.testing.assert_allclose(one.rotation, other.rotation, atol=1e-12)
    np.testing.assert_allclose(one.translation, other.translation)


def grid_of(calibration, width, height, pixel_of):
    """Assert that a camera's grid is the sensor's, ``pixel_of`` being sensor (u, v) to mask's."""
    whole = build_camera(CALIBRATION, POSE, 2048, 1024, True)
    camera = build_camera(calibration, POSE, width, height, True)
    x, y = np.meshgrid(np.linspace(8, 30, 5), np.linspace(-2, 2, 5))
    np.testing.assert_allclose(camera.project(x, y), pixel_of(*whole.project(x, y)), atol=1e-9)


def test_resized():
    # The first pixel of the half-size mask covers sensor pixels 0 and 1: its centre is 0.5.
    grid_of(CALIBRATION, 1024, 512, lambda u, v: ((u + 0.5) / 2 - 0.5, (v + 0.5) / 2 - 0.5))


def test_region_of_interest():
    roi = replace(CALIBRATION, roi_x_offset=200, roi_y_offset=300, roi_width=1600, roi_height=700)
    grid_of(roi, 1600, 700, lambda u, v: (u - 200, v - 300))
    assert roi.image_size == (1600, 700)


def test_binned_region_of_interest_resized():
    roi = replace(
        CALIBRATION,
        roi_x_offset=200,
        roi_y_offset=300,
        roi_width=1600,
        roi_height=700,
        binning_x=2,
        binning_y=2,
    )
    assert roi.image_size == (800, 350)
    grid_of(roi, 400, 350, lambda u, v: ((u - 200 + 0.5) / 4 - 0.5, (v - 300 + 0.5) / 2 - 0.5))


def test_second_camera_of_a_stereo_pair_is_beside_the_first():
    baseline = 0.12
    right = replace(CALIBRATION, p=(*P[:3], -P[0] * baseline, *P[4:]))
    camera = build_camera(right, POSE, 2048, 1024, True)
    assert camera.translation[1] == pytest.approx(-baseline), 'to the right'
    matrix = np.array(right.p).reshape(3, 4)
    point = POSE.rotation.T @ (np.array([10.0, 1.0, 0.0]) - POSE.translation)
    u, v, w = matrix @ np.append(point, 1.0)
    np.testing.assert_allclose(camera.project(10.0, 1.0), (u / w, v / w), atol=1e-9)


def test_a_raw_image_without_distortion_is_projected_by_k():
    raw = replace(CALIBRATION, p=(2000.0, *P[1:]))
    assert projection(raw, rectified=False)[0, 0] == K[0]
    assert projection(raw, rectified=True)[0, 0] == 2000.0


@pytest.mark.parametrize(
    'calibration, rectified, says',
    [
        (replace(CALIBRATION, d=(-0.3, 0.1, 0, 0, 0)), False, 'rectify'),
        (replace(CALIBRATION, d=(-0.3, 0.1, 0, 0, 0), p=(0.0,) * 12), True, 'no P.*rectify'),
        (replace(CALIBRATION, d=(-0.3, 0.1, 0, 0, 0), p=()), True, 'no P.*rectify'),
        (replace(CALIBRATION, d=(np.nan,)), False, 'rectify'),
        (replace(CALIBRATION, distortion_model='equidistant'), False, 'equidistant.*rectify'),
        (replace(CALIBRATION, k=(0.0,) * 9, p=()), True, 'not calibrated'),
        (replace(CALIBRATION, k=(np.nan, *K[1:])), False, 'not calibrated'),
        (replace(CALIBRATION, p=(np.nan, *P[1:])), True, 'not calibrated'),
        (replace(CALIBRATION, p=(P[0], 50.0, *P[2:])), True, 'skew'),
        (replace(CALIBRATION, k=K[:8]), True, '9 and 12'),
        (replace(CALIBRATION, width=0), True, 'empty'),
    ],
)
def test_refused_calibrations(calibration, rectified, says):
    with pytest.raises(CameraError, match=says):
        build_camera(calibration, POSE, 1024, 512, rectified)


def test_rectified_images_of_a_distorted_camera_are_welcome():
    build_camera(replace(CALIBRATION, d=(-0.3, 0.1, 0, 0, 0)), POSE, 1024, 512, True)


def test_a_raw_topic_with_distortion_is_no_rectified_one():
    distortion = (-0.3, 0.1, 0.0, 0.0, 0.0)
    for topic in ('/front/image_raw', '/front/image_raw/compressed'):
        assert 'image_rect' in doubt_rectified(topic, distortion)
        assert not doubt_rectified(topic, (0.0,) * 5)
    assert not doubt_rectified('/front/image_rect', distortion)


@pytest.mark.parametrize(
    'pose, says',
    [
        (lambda: pose_from_quaternion(np.nan, 0, 0, 1, 0, 0, 1), 'length 1'),
        (lambda: pose_from_quaternion(0, 0, 0, 0, 0, 0, 1), 'length 1'),
        (lambda: pose_from_quaternion(0, 0, 0, 1, 0, np.nan, 1), 'NaN'),
        (lambda: pose_from_quaternion(0, 0, 0, 1, 0, 0, 0), 'z = 0'),
        (lambda: pose_from_mounting(-1.0), 'z = 0'),
        (lambda: pose_from_mounting(1.2, np.nan), 'NaN'),
    ],
)
def test_refused_poses(pose, says):
    with pytest.raises(PoseError, match=says):
        pose()


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
