from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs the ROS environment')

from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import strategies as st
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from asap_ros import labels
from asap_ros.nodes import message_conversions
from asap_ros.road.calibration import Calibration
from asap_ros.road.pose import CameraError
from asap_ros.segmentation.frame_statistics import STAGES, Counts

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id='camera_optical')


def camera(height=1024, width=2048, roi=(0, 0, 0, 0), binning=(0, 0), baseline=0.0):
    """Return a camera_info; ``roi``: x, y, width, height, and ``binning``: x, y, of the sensor."""
    k = [1100.0, 0.0, 1020.5, 0.0, 1150.0, 500.25, 0.0, 0.0, 1.0]
    p = [1050.0, 0.0, 1000.0, -1050.0 * baseline, 0.0, 1070.0, 510.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    x, y, roi_width, roi_height = roi
    return CameraInfo(
        header=Header(frame_id='other'),
        height=height,
        width=width,
        k=k,
        p=p,
        d=[-0.3, 0.1, 0.0, 0.0, 0.0],
        distortion_model='plumb_bob',
        r=np.eye(3).ravel().tolist(),
        binning_x=binning[0],
        binning_y=binning[1],
        roi=RegionOfInterest(x_offset=x, y_offset=y, width=roi_width, height=roi_height),
    )


def image_of(info):
    roi = info.roi
    return (
        (roi.height or info.height) // max(1, info.binning_y),
        (roi.width or info.width) // max(1, info.binning_x),
    )


def pixel(matrix, point):
    x, y, z = np.reshape(matrix, (3, -1)) @ point
    return np.array([x / z, y / z])


def journey(sensor, info, grid):
    """Take a pixel of the full sensor through ROI, binning and resizing, edge by edge.

    Written with edges (the left edge of pixel 0 is at 0), where every step is a plain ratio.
    """
    edge = sensor + 0.5
    edge = edge - [info.roi.x_offset, info.roi.y_offset]
    edge = edge / [max(1, info.binning_x), max(1, info.binning_y)]
    height, width = image_of(info)
    edge = edge / [width, height] * [grid[1], grid[0]]
    return edge - 0.5


CASES = {
    'halved': (camera(), (512, 1024)),
    'as it is': (camera(), (1024, 2048)),
    'enlarged': (camera(480, 640), (960, 1280)),
    'anisotropic': (camera(1080, 1920), (512, 1024)),
    'roi': (camera(roi=(100, 300, 1000, 600)), (512, 1024)),
    'binning': (camera(binning=(2, 2)), (512, 1024)),
    'binning of one axis': (camera(binning=(4, 1)), (512, 1024)),
    'roi and binning': (camera(roi=(64, 32, 1024, 512), binning=(2, 4)), (64, 128)),
    'stereo': (camera(baseline=0.2, roi=(64, 32, 1024, 512), binning=(2, 2)), (96, 128)),
}


@pytest.mark.parametrize('info, grid', CASES.values(), ids=CASES)
def test_points_fall_on_the_pixel_of_the_grid_that_shows_them(info, grid):
    found = message_conversions.scaled_camera_info(info, image_of(info), grid, HEADER)
    for point in ([0.0, 0.0, 5.0], [1.0, -0.5, 3.0], [-20.0, 1.2, 40.0], [3.0, 2.0, 1.0]):
        np.testing.assert_allclose(
            pixel(found.k, np.array(point)),
            journey(pixel(info.k, np.array(point)), info, grid),
            rtol=1e-9,
            atol=1e-9,
        )
        np.testing.assert_allclose(
            pixel(found.p, np.array([*point, 1.0])),
            journey(pixel(info.p, np.array([*point, 1.0])), info, grid),
            rtol=1e-9,
            atol=1e-9,
        )


@given(
    x=st.integers(0, 500),
    y=st.integers(0, 300),
    bin_x=st.integers(1, 4),
    bin_y=st.integers(1, 4),
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    u=st.floats(-3, 3),
    v=st.floats(-3, 3),
    z=st.floats(0.1, 100),
)
def test_any_roi_binning_and_grid(x, y, bin_x, bin_y, rows, columns, u, v, z):
    info = camera(roi=(x, y, 800 * bin_x // 2, 400 * bin_y // 2), binning=(bin_x, bin_y))
    grid = (32 * rows, 32 * columns)
    found = message_conversions.scaled_camera_info(info, image_of(info), grid, HEADER)
    point = np.array([u, v, z])
    np.testing.assert_allclose(
        pixel(found.k, point), journey(pixel(info.k, point), info, grid), rtol=1e-7, atol=1e-7
    )


def test_rest_of_the_camera_info():
    info = camera(roi=(64, 32, 1024, 512), binning=(2, 2))
    found = message_conversions.scaled_camera_info(info, image_of(info), (64, 128), HEADER)
    assert found.header == HEADER
    assert (found.height, found.width) == (64, 128)
    assert found.distortion_model == 'plumb_bob' and list(found.d) == list(info.d)
    assert list(found.r) == list(info.r)
    assert found.roi == RegionOfInterest() and (found.binning_x, found.binning_y) == (0, 0)
    assert Calibration.from_message(found).image_size == (128, 64)
    assert info == camera(roi=(64, 32, 1024, 512), binning=(2, 2))  # untouched


@pytest.mark.parametrize(
    'field, index, value',
    [
        ('k', 0, math.nan),
        ('k', 2, math.inf),
        ('k', 0, 0.0),
        ('k', 4, -1.0),
        ('p', 0, 0.0),
        ('p', 5, 0.0),
        ('p', 6, math.nan),
        ('p', 3, math.nan),
    ],
)
def test_matrix_that_is_none(field, index, value):
    info = camera()
    getattr(info, field)[index] = value
    with pytest.raises(CameraError, match=f'camera_info: {field.upper()} must be finite'):
        message_conversions.scaled_camera_info(info, image_of(info), (64, 128), HEADER)


def test_uncalibrated_camera():
    with pytest.raises(CameraError, match='calibrate the camera'):
        message_conversions.scaled_camera_info(
            CameraInfo(height=64, width=128), (64, 128), (64, 128), HEADER
        )


@pytest.mark.parametrize('field, other', [('k', 'p'), ('p', 'k')])
def test_a_matrix_that_is_not_stated_stays_zero(field, other):
    info, whole = camera(), camera()
    setattr(info, field, [0.0] * len(getattr(info, field)))
    found, expected = (
        message_conversions.scaled_camera_info(i, image_of(i), (64, 128), HEADER)
        for i in (info, whole)
    )
    assert not np.any(getattr(found, field))
    assert list(getattr(found, other)) == list(getattr(expected, other))


@pytest.mark.parametrize('image', [(512, 1024), (2048, 1024), (1024, 2047)])
def test_camera_info_of_another_size(image):
    with pytest.raises(CameraError, match='is of 2048x1024 images, but the image is'):
        message_conversions.scaled_camera_info(camera(), image, (64, 128), HEADER)


def test_camera_info_without_a_size():
    with pytest.raises(CameraError, match='of 0x0 images'):
        message_conversions.scaled_camera_info(camera(0, 0), (0, 0), (64, 128), HEADER)


def test_label_info_states_every_class_and_the_unlabelled():
    camvid = labels.load('camvid')
    found = message_conversions.label_info(camvid, 0.25, HEADER)
    assert found.header == HEADER
    assert found.threshold == 0.25
    assert [(c.class_id, c.class_name) for c in found.class_map] == [
        *enumerate(camvid.names),
        (255, 'unlabelled'),
    ]


def test_stages_not_run_are_nan():
    found = message_conversions.stage_timings(
        {'decode': 1.5, 'total': 4.0}, Counts(5, 4, 3, 2, 1), HEADER
    )
    assert found.header == HEADER
    assert (found.decode, found.total) == (1.5, 4.0)
    assert all(math.isnan(getattr(found, stage)) for stage in set(STAGES) - {'decode', 'total'})
    assert [found.received, found.processed, found.dropped, found.stale, found.failed] == [
        5,
        4,
        3,
        2,
        1,
    ]


@pytest.mark.parametrize(
    'sec, nanosec, expected',
    [
        (0, 0, 0),
        (1, 5, 1_000_000_005),
        (2**31 - 1, 999_999_999, 2_147_483_647_999_999_999),
        (-1, 0, -1_000_000_000),
        (-1, 999_999_999, -1),
    ],
)
def test_nanoseconds(sec, nanosec, expected):
    assert message_conversions.nanoseconds(Time(sec=sec, nanosec=nanosec)) == expected
