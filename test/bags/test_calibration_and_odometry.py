"""Calibration, mounting, motion and truth come out of a bag without ROS, as the node has them."""

import numpy as np
import pytest

from asap_ros.bags import message_readers, topics
from asap_ros.bags.calibration_and_odometry import CalibrationAndOdometry
from asap_ros.bags.reader import Bag, BagError
from asap_ros.bags.topic_names import TopicNames
from asap_ros.parameters.segmenter_parameters import SegmenterParameters
from asap_ros.road.geometry import ReferenceCurve, Status
from asap_ros.road.pose import CameraError, PoseError
from asap_ros.road.road_pipeline import SourceImage
from support import bags_with_truth, tiny_bags
from support.bags_with_truth import MOUNT

STAMP = tiny_bags.START_NS
GRID = (MOUNT.height, MOUNT.width)


def vehicle(path, values=None):
    with Bag(path) as bag:
        return CalibrationAndOdometry(bag, topics.find(bag), values or SegmenterParameters())


def test_the_camera_is_that_of_calibration_and_static_transforms(tmp_path):
    found = vehicle(bags_with_truth.write(tmp_path / 'drive', 2))
    camera = found.camera(SourceImage('camera_optical', STAMP, GRID), GRID)
    expected = MOUNT.camera()
    assert np.allclose(camera.rotation, expected.rotation, atol=1e-9)
    assert np.allclose(camera.translation, expected.translation)
    assert (camera.fx, camera.cx) == (MOUNT.f, MOUNT.cx)
    assert found.camera(SourceImage('camera_optical', STAMP + 10**8, GRID), GRID) is camera
    half = found.camera(SourceImage('camera_optical', STAMP, GRID), (64, 128))
    assert half.fx == MOUNT.f / 2 and half.cx == pytest.approx((MOUNT.cx + 0.5) / 2 - 0.5)


def test_transforms_are_joined_over_any_number_of_frames(tmp_path):
    def chain(_):
        types = tiny_bags.TYPES

        def step(parent, child, x, z, q):
            return types['geometry_msgs/msg/TransformStamped'](
                tiny_bags.header(0, parent),
                child,
                types['geometry_msgs/msg/Transform'](
                    types['geometry_msgs/msg/Vector3'](x, 0.0, z),
                    types['geometry_msgs/msg/Quaternion'](*q),
                ),
            )

        # The base hangs below the vehicle's centre, the camera on a bracket beside it.
        return types['tf2_msgs/msg/TFMessage'](
            [
                step('centre', 'base_link', -1.0, -0.5, (0.0, 0.0, 0.0, 1.0)),
                step('centre', 'bracket', 0.5, 0.5, (0.0, 0.0, 0.0, 1.0)),
                step('bracket', 'camera_optical', 0.25, 0.0, (-0.5, 0.5, -0.5, 0.5)),
            ]
        )

    bag = tiny_bags.write(
        tmp_path / 'drive',
        [tiny_bags.RAW, tiny_bags.INFO, ('/tf_static', tiny_bags.STATIC[1], chain)],
        1,
    )
    camera = vehicle(bag).camera(SourceImage('camera_optical', STAMP, (32, 64)), (32, 64))
    assert np.allclose(camera.translation, [1.75, 0.0, 1.0])
    with pytest.raises(PoseError, match="no way from 'lidar'.*to 'base_link'"):
        vehicle(bag).camera(SourceImage('lidar', STAMP, (32, 64)), (32, 64))


def test_without_a_calibration_or_with_one_of_another_camera(tmp_path):
    bare = vehicle(tiny_bags.write(tmp_path / 'bare', [tiny_bags.RAW], 1))
    assert not bare.calibrated
    with pytest.raises(CameraError, match='no camera_info'):
        bare.camera(SourceImage('camera_optical', STAMP, (32, 64)), (32, 64))
    with pytest.raises(CameraError, match='camera_info is of 64x32 images.*64x16'):
        vehicle(tiny_bags.write(tmp_path / 'drive', frames=1)).camera(
            SourceImage('camera_optical', STAMP, (16, 64)), (32, 64)
        )


def test_images_that_may_not_be_rectified_are_told_of(tmp_path):
    def distorted(at):
        info = tiny_bags.INFO[2](at)
        info.d = np.array([-0.3, 0.1, 0.0, 0.0, 0.0])
        return info

    bag = tiny_bags.write(tmp_path / 'drive', [tiny_bags.RAW, (*tiny_bags.INFO[:2], distorted)], 1)
    (warning,) = vehicle(bag).warnings
    assert 'as if /camera/image_raw were rectified' in warning
    assert not vehicle(bag, SegmenterParameters(rectified=False)).warnings


def test_motion_between_frames(tmp_path):
    found = vehicle(bags_with_truth.write(tmp_path / 'drive', 20))
    for k in range(18):
        motion = found.between(STAMP / 1e9 + 0.05 * k, STAMP / 1e9 + 0.05 * (k + 1))
        assert motion.distance == pytest.approx(0.5, rel=1e-5)
        assert motion.yaw == pytest.approx(0.005, rel=1e-5)
    bare = vehicle(bags_with_truth.write(tmp_path / 'bare', 2, left_out=('/odometry',)))
    assert bare.odometry is None and bare.between(0.0, 1.0) is None


def test_truth_is_found_by_type_and_name_or_named(tmp_path):
    with Bag(bags_with_truth.write(tmp_path / 'drive', 1)) as bag:
        drive = topics.find(bag)
        assert drive.true_road.name == '/ground_truth/road_geometry'
        assert drive.true_space.name == '/ground_truth/free_space'
        assert drive.odometry.name == '/odometry'
        assert drive.reference_kind == 'true labels'
        taken = topics.find(bag, TopicNames(masks='/ground_truth/mask'))
        assert taken.masks.name == '/ground_truth/mask/compressed' and taken.reference is None
        with pytest.raises(BagError, match='no road geometry topic /other.*/ground_truth/road'):
            topics.find(bag, TopicNames(true_road='/other'))


def test_a_road_geometry_comes_back_as_it_was_written():
    message = bags_with_truth.road_geometry(0, bags_with_truth.BEND)
    told = message_readers.geometry_of(message)
    x, y = bags_with_truth.BEND.centre(told.s)
    assert told.valid and told.status == Status.OK and told.reference == ReferenceCurve.ROAD_CENTRE
    assert told.curvature == 0.01 and told.pitch == MOUNT.pitch
    assert np.allclose(told.path[:, :2], np.stack([x, y], axis=1), atol=1e-6)


def test_a_true_free_space_that_does_not_fit_is_refused():
    mask = np.zeros(GRID, np.uint8)
    message = bags_with_truth.free_space(0, mask)
    with pytest.raises(BagError, match='256 points, the image 128 columns'):
        message_readers.true_space_of(message, 128)
    message.fields = message.fields[:2]
    with pytest.raises(BagError, match='lacks float32 fields'):
        message_readers.true_space_of(message, 256)
    message = bags_with_truth.free_space(0, mask)
    message.data = message.data[:100]
    with pytest.raises(BagError, match='cut off'):
        message_readers.true_space_of(message, 256)
