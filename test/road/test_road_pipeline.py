"""The chain from mask to road: what it asks for, what it says where something is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from asap_ros.road.calibration import Calibration
from asap_ros.road.geometry import Status
from asap_ros.road.options import RoadOptions
from asap_ros.road.pose import Pose, PoseError, pose_from_mounting
from asap_ros.road.road_pipeline import CameraBuilder, RoadPipeline, SourceImage
from asap_ros.road.tracker import EgoMotion
from support.synthetic_roads import LABELS, MOUNT, Truth, render

SIZE = (MOUNT.height, MOUNT.width)
K = (MOUNT.f, 0.0, MOUNT.cx, 0.0, MOUNT.f, MOUNT.cy, 0.0, 0.0, 1.0)
CALIBRATION = Calibration(MOUNT.width, MOUNT.height, K, p=(*K[:3], 0.0, *K[3:6], 0.0, *K[6:], 0.0))
IMAGE = SourceImage('camera_optical', 10_000_000_000, SIZE)
TRUTH = Truth(curvature=1 / 200)


class Vehicle:
    """Poses and motion that are known, and what was asked of them."""

    def __init__(self, pose: Pose | None = None):
        self.pose = pose or pose_from_mounting(MOUNT.up, MOUNT.pitch)
        self.asked: list = []
        self.forgotten = 0

    def at(self, frame_id, stamp_ns):
        self.asked.append((frame_id, stamp_ns))
        if frame_id != 'camera_optical':
            raise PoseError(f'no transform from {frame_id}')
        return self.pose

    def forget(self):
        self.forgotten += 1

    def between(self, start, end):
        self.asked.append((start, end))
        return EgoMotion(10.0 * (end - start), 0.0)


@pytest.fixture
def vehicle():
    return Vehicle()


@pytest.fixture
def pipeline(vehicle):
    cameras = CameraBuilder(vehicle, True, 'nobody calibrated it')
    return RoadPipeline(LABELS, RoadOptions(), cameras, vehicle)


def later(seconds, **changes):
    return replace(IMAGE, stamp_ns=IMAGE.stamp_ns + round(seconds * 1e9), **changes)


def test_a_frame_becomes_the_road_of_its_camera(pipeline, vehicle):
    road = pipeline.process(IMAGE, render(TRUTH), None, CALIBRATION)
    assert road.geometry.valid and not road.fault
    assert road.geometry.curvature == pytest.approx(TRUTH.curvature, abs=1e-4)
    assert vehicle.asked == [('camera_optical', IMAGE.stamp_ns)]


def test_motion_is_asked_for_since_the_frame_before(pipeline, vehicle):
    for seconds in (0.0, 0.1):
        pipeline.process(later(seconds), render(TRUTH), None, CALIBRATION)
    assert (10.0, 10.1) in vehicle.asked


@pytest.mark.parametrize(
    'image, calibration, status, says',
    [
        (IMAGE, None, Status.NO_CALIBRATION, 'nobody calibrated it'),
        (replace(IMAGE, frame_id='lidar'), CALIBRATION, Status.NO_TF, 'no transform from lidar'),
        (
            replace(IMAGE, size=(480, 640)),
            CALIBRATION,
            Status.NO_CALIBRATION,
            'is of 1024x512 images, but the image is 640x480',
        ),
        (IMAGE, replace(CALIBRATION, p=(0.0,) * 12), None, ''),
        (IMAGE, replace(CALIBRATION, k=(0.0,) * 9, p=()), Status.NO_CALIBRATION, 'not calibrated'),
    ],
)
def test_a_camera_that_is_not_known_is_no_road_but_a_reason(
    pipeline, image, calibration, status, says
):
    road = pipeline.process(image, render(TRUTH), None, calibration)
    assert says in road.fault and bool(road.fault) == (status is not None)
    assert road.geometry.valid == (status is None)
    if status is not None:
        assert road.geometry.status == status and road.camera is None


def test_the_camera_is_the_same_object_while_nothing_changes(pipeline, vehicle):
    first = pipeline.process(IMAGE, render(TRUTH), None, CALIBRATION).camera
    vehicle.pose = Pose(vehicle.pose.rotation, vehicle.pose.translation + 1e-9)
    assert pipeline.process(later(0.1), render(TRUTH), None, CALIBRATION).camera is first
    vehicle.pose = pose_from_mounting(MOUNT.up + 0.01, MOUNT.pitch)
    assert pipeline.process(later(0.2), render(TRUTH), None, CALIBRATION).camera is not first


@pytest.mark.parametrize('back, forgotten', [(0.5, 0), (1.5, 1)])
def test_after_a_step_back_in_time_the_past_is_forgotten(pipeline, vehicle, back, forgotten):
    pipeline.process(IMAGE, render(TRUTH), None, CALIBRATION)
    road = pipeline.process(later(-back), render(TRUTH), None, CALIBRATION)
    assert vehicle.forgotten == forgotten and road.geometry.valid


def test_labels_that_do_not_fit_are_refused_even_without_a_camera(pipeline):
    with pytest.raises(ValueError, match='uint8'):
        pipeline.process(IMAGE, np.zeros(SIZE, np.int32), None, None)
