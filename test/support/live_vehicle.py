"""A live segmenter that sees rendered roads; its camera's calibration, TF and odometry."""

from __future__ import annotations

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from nav_msgs.msg import Odometry
from rclpy.time import Time as RosTime
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from tf2_msgs.msg import TFMessage

from asap_ros.imaging import message_codec
from asap_ros.nodes import road_publisher
from support import tiny_model
from support.live_segmenter import LATCHED
from support.synthetic_roads import LABELS, MOUNT, Mount

ROAD_OUTPUTS = tuple(road_publisher.OUTPUTS)
OPTICAL = 'camera_optical'
TO_CAMVID = LABELS.mapping_to(tiny_model.LABELS)
GRASS = np.full((MOUNT.height, MOUNT.width), LABELS.id_of('vegetation'), np.uint8)
MOUNTED = {
    'camera.pose_from': 'parameters',
    'camera.height': MOUNT.up,
    'camera.pitch': MOUNT.pitch,
}


def picture(mask: np.ndarray) -> np.ndarray:
    """Return the frame in which the tiny network sees a Cityscapes mask, and is sure of it."""
    frame = np.zeros((*mask.shape, 3), np.uint8)
    frame[..., 0] = TO_CAMVID[mask] * tiny_model.STEP + tiny_model.STEP // 2
    frame[..., 1] = 240
    return frame


def calibration(mount: Mount = MOUNT) -> CameraInfo:
    k = [mount.f, 0.0, mount.cx, 0.0, mount.f, mount.cy, 0.0, 0.0, 1.0]
    return CameraInfo(
        height=mount.height,
        width=mount.width,
        k=k,
        r=np.eye(3).ravel().tolist(),
        p=[*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0],
    )


def transform(mount: Mount = MOUNT, base: str = 'base_link', stamp: Time | None = None):
    """Return the camera's place as TF has it, by scipy's rotations."""
    optical = Rotation.from_matrix([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    turned = Rotation.from_euler('ZYX', [mount.yaw, mount.pitch, mount.roll]) * optical
    x, y, z, w = turned.as_quat()
    message = TransformStamped(
        header=Header(frame_id=base, stamp=stamp or Time()), child_frame_id=OPTICAL
    )
    message.transform.rotation = Quaternion(x=x, y=y, z=z, w=w)
    message.transform.translation = Vector3(x=mount.x, y=mount.y, z=mount.up)
    return message


class LiveVehicle:
    """A live segmenter that sees roads, and the vehicle's TF and odometry."""

    def __init__(self, segmenter):
        self.segmenter = segmenter
        self._static = segmenter.camera.create_publisher(TFMessage, '/tf_static', LATCHED)
        self._moving = segmenter.camera.create_publisher(TFMessage, '/tf', 10)
        self._odometry = segmenter.camera.create_publisher(Odometry, 'odometry', 10)

    def mount(self, mount: Mount = MOUNT, base: str = 'base_link') -> None:
        """Publish where the camera is, and wait until the segmenter knows."""
        self._static.publish(TFMessage(transforms=[transform(mount, base)]))
        self.await_transform(RosTime(), base)

    def move(self, stamp: Time) -> None:
        self._moving.publish(TFMessage(transforms=[transform(stamp=stamp)]))
        self.await_transform(RosTime.from_msg(stamp), 'base_link')

    def await_transform(self, at: RosTime, base: str) -> None:
        buffer = self.segmenter.road._poses._buffer
        self.segmenter.wait(lambda: buffer.can_transform(base, OPTICAL, at), 'TF')

    def drive(self, stamp: Time, speed: float) -> None:
        """Publish odometry, and wait until the segmenter knows."""
        message = Odometry(header=Header(stamp=stamp))
        message.twist.twist.linear.x = speed
        log = self.segmenter.road._motion
        before = len(log._entries)
        self.segmenter.wait(lambda: self._odometry.get_subscription_count(), 'odometry')
        self._odometry.publish(message)
        self.segmenter.wait(lambda: len(log._entries) > before, 'odometry')

    def see(self, mask: np.ndarray, number: int = 0, **changes) -> Image:
        """Send the frame of a mask, wait for every answer, and return the frame."""
        frame = message_codec.encode(picture(mask), 'rgb8', self.segmenter.header(number))
        for name, value in changes.items():
            setattr(frame, name, value)
        self.segmenter.send(frame)
        return frame

    def last(self, name: str):
        return self.segmenter.heard[name][-1]


def points(message) -> np.ndarray:
    """Return the float32 fields of a cloud, (height, width, fields)."""
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width, -1)
