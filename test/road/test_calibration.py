"""The camera of a mask that was cut, binned and resized, and calibrations that are refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from asap_ros.road.calibration import (
    Calibration,
    build_camera,
    calibration_doubts,
    projection_matrix,
)
from asap_ros.road.pose import CameraError, pose_from_mounting

K = (2262.5, 0, 1097.0, 0, 2265.3, 513.1, 0, 0, 1)
P = (2262.5, 0, 1097.0, 0, 0, 2265.3, 513.1, 0, 0, 0, 1, 0)
CALIBRATION = Calibration(2048, 1024, K, (0.0,) * 5, P)
POSE = pose_from_mounting(1.22, 0.038)


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
    assert projection_matrix(raw, rectified=False)[0, 0] == K[0]
    assert projection_matrix(raw, rectified=True)[0, 0] == 2000.0


@pytest.mark.parametrize(
    'calibration, rectified, says',
    [
        (replace(CALIBRATION, d=(-0.3, 0.1, 0, 0, 0)), False, 'rectify'),
        (replace(CALIBRATION, d=(-0.3, 0.1, 0, 0, 0), p=(0.0,) * 12), True, 'no P.*rectify'),
        (replace(CALIBRATION, d=(-0.3, 0.1, 0, 0, 0), p=()), True, 'no P.*rectify'),
        (replace(CALIBRATION, d=(np.nan,)), False, 'rectify'),
        (replace(CALIBRATION, distortion_model='equidistant'), False, 'equidistant.*rectify'),
        (
            replace(CALIBRATION, distortion_model='thin_prism_fisheye'),
            False,
            'thin_prism.*rectify',
        ),
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


DISTORTION = (-0.3, 0.1, 0.0, 0.0, 0.0)
HALF = tuple(0.5 * np.array(P[:11])) + (0.0,)
TURN = Rotation.from_euler('y', 2.3, degrees=True).as_matrix().ravel()


def doubts(topic='/front/image_rect', rectified=True, **changes):
    return ' | '.join(calibration_doubts(replace(CALIBRATION, **changes), topic, rectified))


def test_a_raw_topic_with_distortion_is_no_rectified_one():
    for topic in ('/front/image_raw', '/front/image_raw/compressed'):
        assert 'image_rect' in doubts(topic, d=DISTORTION)
        assert not doubts(topic) and not doubts(topic, rectified=False, d=DISTORTION)


@pytest.mark.parametrize(
    'changes, says',
    [
        ({}, ''),
        ({'p': (2000.0, *P[1:])}, ''),
        ({'p': (1500.0, 0, 1090.0, 0, 0, 1500.0, 520.0, *P[7:]), 'd': DISTORTION}, ''),
        ({'p': HALF}, 'P of camera_info is 0.50 times K'),
        ({'p': (*K[:3], 0, *K[3:6], 0, *K[6:], 0), 'd': DISTORTION}, 'equals K although D'),
        ({'p': (*P[:2], 2100.0, *P[3:])}, 'outside of the 2048x1024 images'),
        ({'r': tuple(TURN)}, 'turns the rectified images by 2.3 degrees'),
        ({'r': (1.0, 0, 0, 0, 1.0, 0, 0, 0, 1.0)}, ''),
        ({'k': (0.0,) * 9}, ''),
        ({'p': (0.0,) * 12}, ''),
    ],
)
def test_what_contradicts_itself_in_a_camera_info_is_doubted(changes, says):
    assert says in doubts(**changes) and bool(doubts(**changes)) == bool(says)
