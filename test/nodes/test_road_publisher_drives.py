"""Recorded drives through the live node: their masks as frames, their calibration, TF and time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from support import tiny_model

pytest.importorskip('rclpy', reason='needs the ROS environment')

from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import CameraInfo, CompressedImage
from tf2_msgs.msg import TFMessage

from asap_ros import labels
from asap_ros.imaging import message_codec

SIZE = (512, 1024)
TO_CAMVID = labels.load('cityscapes').mapping_to(tiny_model.LABELS)
BONNET = 255
ELSE, ROAD = (tiny_model.LABELS.id_of(name) for name in ('building', 'road'))
KINDS = {
    '/camera/camera_info': CameraInfo,
    '/tf_static': TFMessage,
    '/reference/mask/compressed': CompressedImage,
}


def messages(folder):
    """Yield topic and message of what a drive recorded, in its order."""
    with AnyReader([folder]) as reader:
        for connection, _, raw in reader.messages():
            if connection.topic in KINDS:
                yield connection.topic, deserialize_message(raw, KINDS[connection.topic])


def picture(message, scale):
    """Return the frame in which the tiny network sees a mask; it is unsure of the bonnet.

    Classes without a counterpart are as fixed as a building.
    """
    mask = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_UNCHANGED)
    mask = cv2.resize(mask, SIZE[::-1], interpolation=cv2.INTER_NEAREST)
    known = np.where(TO_CAMVID[mask] == 255, ELSE, TO_CAMVID[mask])
    frame = np.zeros((*SIZE, 3), np.uint8)
    frame[..., 0] = np.where(mask == BONNET, ROAD, known) * tiny_model.STEP + 12
    frame[..., 1] = np.where(mask == BONNET, 0, 240)
    return np.ascontiguousarray(frame.repeat(scale, 0).repeat(scale, 1))


def drive(make_segmenter, folder):
    """Return every road_geometry and path of a drive."""
    segmenter = make_segmenter(
        network_height=SIZE[0], network_width=SIZE[1], min_confidence=0.5, hood_fraction=0.18
    )
    segmenter.start('road_geometry', 'path', 'timings')
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    static = segmenter.camera.create_publisher(TFMessage, '/tf_static', latched)
    buffer, size = segmenter.road._poses._buffer, None
    for topic, message in messages(folder):
        if topic == '/tf_static':
            static.publish(message)
            segmenter.wait(
                lambda child=message.transforms[0].child_frame_id: (
                    child in buffer.all_frames_as_string()
                ),
                'TF',
            )
        elif topic == '/camera/camera_info':
            size = message.height
            segmenter.calibrate(message)
        else:
            segmenter.send(
                message_codec.encode(picture(message, size // SIZE[0]), 'rgb8', message.header)
            )
    return segmenter.heard['road_geometry'], segmenter.heard['path']


def bends(found):
    return [g.curvature + 20 * g.curvature_rate for g in found if g.valid]


@pytest.mark.parametrize(
    'bag, lowest, highest',
    [('aachen_0', 1 / 120, 1 / 40), ('aachen_1', -1e-3, 1e-3), ('aachen_2', -1e-3, 1e-3)],
)
def test_a_drive(make_segmenter, bags, bag, lowest, highest):
    found, paths = drive(make_segmenter, bags / bag)
    assert len(found) == len(paths) == 30
    assert np.mean([g.valid for g in found]) >= 0.9, [g.status for g in found]
    assert lowest < np.median(bends(found)) < highest
    for geometry, path in zip(found, paths):
        assert geometry.header == path.header and path.header.frame_id == 'base_link'
        assert len(path.poses) == len(geometry.s) and bool(path.poses) == geometry.valid
