"""Every way for the live node not to know the road, and what it says then."""

from __future__ import annotations

from array import array
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs the ROS environment')

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker

from asap_ros.imaging import message_codec
from asap_ros.nodes import camera_subscriber
from asap_ros.road.calibration import calibration_doubts
from asap_ros.road.geometry import Status
from support.live_segmenter import pixels
from support.live_vehicle import (
    GRASS,
    MOUNTED,
    ROAD_OUTPUTS,
    TO_CAMVID,
    LiveVehicle,
    calibration,
    picture,
    points,
)
from support.synthetic_roads import MOUNT, Truth, render


def assert_unknown(car: LiveVehicle, frame: Image, status: Status) -> None:
    """Assert that the latest answers know nothing of the road, and why."""
    for name in ROAD_OUTPUTS[:-1]:
        header = car.last(name).header
        assert (header.stamp, header.frame_id) == (frame.header.stamp, 'base_link'), name
    found = car.last('road_geometry')
    assert not found.valid and found.status == status
    assert np.isnan([found.curvature, found.heading, found.width, found.view_end]).all()
    assert np.isnan(found.covariance).all() and not len(found.s)
    assert not car.last('path').poses
    scan, grid = car.last('free_space/scan'), car.last('free_space/grid')
    assert len(scan.ranges) == 159 and np.isnan(scan.ranges).all()
    assert len(grid.data) == grid.info.width * grid.info.height == 160000
    assert set(grid.data) == {-1}
    assert car.last('free_space/boundary').width == 0
    cloud = points(car.last('ground_points'))
    assert cloud.shape == (MOUNT.height, MOUNT.width, 3) and np.isnan(cloud).all()
    assert all(m.action == Marker.DELETE for m in car.last('markers').markers)


def test_no_road(make_vehicle):
    car = make_vehicle(**MOUNTED)
    car.see(GRASS)
    found = car.last('road_geometry')
    assert not found.valid and found.status & Status.SHORT_VIEW
    assert not car.last('path').poses
    assert 0 not in car.last('free_space/grid').data


def test_no_road_after_one(make_vehicle):
    car = make_vehicle(**MOUNTED)
    car.see(render(Truth()))
    assert car.last('road_geometry').valid and car.last('path').poses
    car.see(GRASS, 1)
    assert not car.last('road_geometry').valid and not car.last('path').poses
    assert all(m.action == Marker.DELETE for m in car.last('markers').markers)


def test_no_transform_until_there_is_one(make_vehicle, capfd):
    car, mask = make_vehicle(), render(Truth(curvature=0.01))
    assert_unknown(car, car.see(mask), Status.NO_TF)
    assert "no transform from 'camera_optical'" in capfd.readouterr().err
    assert "no transform from 'camera_optical'" in car.segmenter.status('frames', 'road: ').message
    car.mount()
    car.see(mask, 1)
    assert car.last('road_geometry').valid
    assert car.segmenter.status('frames', 'frames/s').level == b'\x00'


def test_transform_of_another_time(make_vehicle):
    car, mask = make_vehicle(), render(Truth(curvature=0.01))
    frame = car.segmenter.header(0)
    car.move(Time(sec=frame.stamp.sec - 1))
    assert_unknown(car, car.see(mask), Status.NO_TF)
    car.move(Time(sec=frame.stamp.sec + 2))
    car.see(mask, 1)
    assert car.last('road_geometry').valid


def test_transform_that_comes_a_little_late(make_vehicle):
    car = make_vehicle('road_geometry', tf_timeout=1.0)
    car.move(Time(sec=99))
    frame = message_codec.encode(picture(render(Truth())), 'rgb8', car.segmenter.header(0))
    car.segmenter.raw.publish(frame)
    car.segmenter.wait(lambda: car.segmenter.counts.processed, 'the labels')
    car.move(Time(sec=101))
    car.segmenter.wait(lambda: car.segmenter.heard['road_geometry'], 'the road')
    assert car.last('road_geometry').valid


@pytest.mark.parametrize(
    'place', [{'up': -1.0}, {'pitch': -np.pi / 2}, {'roll': np.pi}], ids=lambda place: str(*place)
)
def test_transform_that_is_no_camera(make_vehicle, place):
    car = make_vehicle()
    car.mount(replace(MOUNT, **place))
    assert_unknown(car, car.see(render(Truth())), Status.NO_TF)


def test_no_camera_info_until_there_is_one(make_vehicle, capfd):
    car, mask = make_vehicle(info=False, **MOUNTED), render(Truth())
    assert_unknown(car, car.see(mask), Status.NO_CALIBRATION)
    assert 'no camera_info has come' in capfd.readouterr().err
    car.segmenter.calibrate(calibration())
    car.see(mask, 1)
    assert car.last('road_geometry').valid


def distorted(info):
    info.d = [-0.2, 0.1, 0.0, 0.0, 0.0]


def uncalibrated(info):
    info.k[0] = info.p[0] = 0.0


def of_another_size(info):
    info.width *= 2


def told(make_vehicle, change, *outputs, **parameters):
    """Return a car whose camera_info is changed so."""
    car = make_vehicle(*outputs, info=False, **MOUNTED, **parameters)
    info = calibration()
    change(info)
    car.segmenter.calibrate(info)
    return car


@pytest.mark.parametrize(
    'fault, says',
    [
        (distorted, 'rectify_node'),
        (uncalibrated, 'not calibrated'),
        (of_another_size, 'but the image is 1024x512'),
    ],
)
def test_camera_info_that_cannot_be_used(make_vehicle, capfd, fault, says):
    car = told(make_vehicle, fault, rectified=False)
    assert_unknown(car, car.see(render(Truth())), Status.NO_CALIBRATION)
    assert says in capfd.readouterr().err


def test_distortion_of_rectified_images_is_gone(make_vehicle):
    car = told(make_vehicle, distorted, 'road_geometry')
    car.see(render(Truth()))
    assert car.last('road_geometry').valid


def test_images_that_may_not_be_rectified_are_told_of(make_vehicle, monkeypatch, capfd):
    monkeypatch.setattr(
        camera_subscriber,
        'calibration_doubts',
        lambda calibration, topic, rectified: calibration_doubts(
            calibration, topic.replace('image', 'image_raw'), rectified
        ),
    )
    car = told(make_vehicle, distorted, 'road_geometry')
    car.see(render(Truth()))
    assert car.last('road_geometry').valid
    assert car.segmenter.status('frames', 'as if /image_raw were rectified').level == b'\x01'
    assert capfd.readouterr().err.count('as if /image_raw were rectified') == 1


def test_stale_frame(make_vehicle):
    car = make_vehicle(**MOUNTED, max_age=0.5)
    assert_unknown(car, car.see(render(Truth())), Status.STALE)


def test_damaged_frame_after_a_road(make_vehicle):
    car = make_vehicle(**MOUNTED)
    car.see(render(Truth()))
    frame = car.see(render(Truth()), 1, data=array('B', bytes(100)))
    assert_unknown(car, frame, Status.LOW_CONFIDENCE | Status.SHORT_VIEW)


def test_road_model_that_fails_costs_no_mask(make_vehicle, monkeypatch, capfd):
    car = make_vehicle(*ROAD_OUTPUTS, 'mask', **MOUNTED)
    with monkeypatch.context() as patch:
        patch.setattr(car.segmenter.road._pipeline.model, 'analyse', None)
        frame = car.see(render(Truth()))
    assert_unknown(car, frame, Status.LOW_CONFIDENCE | Status.SHORT_VIEW)
    assert (pixels(car.last('mask')) == TO_CAMVID[render(Truth())]).all()
    assert 'Traceback' in capfd.readouterr().err
    car.see(render(Truth()), 1)
    assert car.last('road_geometry').valid


def test_moving_transforms_after_time_has_gone_back(make_vehicle):
    car = make_vehicle('road_geometry')
    for second in (159, 161):
        car.move(Time(sec=second))
    car.see(render(Truth()), 60)
    assert car.last('road_geometry').valid
    car.see(render(Truth()), 0)
    assert car.last('road_geometry').status == Status.NO_TF
    for second in (99, 102):
        car.move(Time(sec=second))
    car.see(render(Truth()), 1)
    assert car.last('road_geometry').valid
