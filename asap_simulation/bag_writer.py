"""Frames of a drive as the messages of a ROS 2 bag, written without ROS."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from scipy.spatial.transform import Rotation

from asap_ros.bags import message_builders
from asap_ros.bags.message_builders import make
from asap_ros.bags.typestore import typestore
from asap_simulation.simulation import SimulatedCamera, SimulatedFrame

START_NS = 1_700_000_000_000_000_000
"""Stamp of every drive's first frame, so that one seed always makes one bag."""

ODOM, BASE, CAMERA = 'odom', 'base_link', 'camera_optical'
"""Frame ids."""

JPEG_QUALITY = 95

TOPICS = {
    '/camera/camera_info': 'sensor_msgs/msg/CameraInfo',
    '/tf_static': 'tf2_msgs/msg/TFMessage',
    '/tf': 'tf2_msgs/msg/TFMessage',
    '/odometry': 'nav_msgs/msg/Odometry',
    '/ground_truth/mask/compressed': 'sensor_msgs/msg/CompressedImage',
    '/ground_truth/road_geometry': 'asap_ros/msg/RoadGeometry',
    '/ground_truth/free_space': 'sensor_msgs/msg/PointCloud2',
}
"""Topics and types beside the image's."""

_FOREVER = QosTime(2147483647, 4294967295)


class RecordingError(RuntimeError):
    """A bag that cannot be written; the text says what to do."""


class BagRecording:
    """A bag in the making; it appears under its name when it is closed, whole or not at all.

    As a context it keeps what was written if the block ends normally, and nothing otherwise.
    """

    def __init__(self, path: Path, lens: SimulatedCamera, raw: bool):
        """Begin a bag at ``path``; ``raw`` stores images as they are instead of as JPEG.

        Raises RecordingError where something is there already.
        """
        if path.exists():
            raise RecordingError(f'{path} exists already: give another --out, or remove it')
        self.path, self.frames = path, 0
        self._lens, self._raw = lens, raw
        path.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f'.{path.name}.', dir=path.parent))
        self._store = typestore()
        self._writer = Writer(
            self._folder / path.name, version=9, storage_plugin=StoragePlugin.MCAP
        )
        self._writer.open()
        image = (
            ('/camera/image_raw', 'sensor_msgs/msg/Image')
            if raw
            else ('/camera/image_raw/compressed', 'sensor_msgs/msg/CompressedImage')
        )
        self._image = image[0]
        self._connections = {
            name: self._writer.add_connection(
                name,
                kind,
                typestore=self._store,
                offered_qos_profiles=[_qos(latched=name == '/tf_static')],
            )
            for name, kind in (image, *TOPICS.items())
        }

    def __enter__(self) -> BagRecording:
        """Return the bag to add frames to."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let the bag appear, or remove what there is of it."""
        try:
            self._writer.close()
            if kind is None and self.frames:
                os.rename(self._folder / self.path.name, self.path)
        finally:
            shutil.rmtree(self._folder)

    def add(self, frame: SimulatedFrame) -> None:
        """Write all messages of a frame."""
        time_ns = START_NS + round(frame.time * 1e9)
        messages = list(self._messages(frame, time_ns))
        for topic, message in messages:
            connection = self._connections[topic]
            self._writer.write(
                connection, time_ns, self._store.serialize_cdr(message, connection.msgtype)
            )
        self.frames += 1

    def _messages(self, frame: SimulatedFrame, time_ns: int) -> Iterator[tuple[str, Any]]:
        """Yield (topic, message): transforms before what needs them."""
        mounting = self._lens.mounting
        in_base, in_odom = (message_builders.header(time_ns, f) for f in (BASE, ODOM))
        if not self.frames:
            yield (
                '/tf_static',
                _transform(in_base, CAMERA, mounting.rotation, mounting.translation),
            )
        yield '/tf', _transform(in_odom, BASE, frame.rotation, frame.position)
        yield '/odometry', _odometry(in_odom, frame)
        yield '/camera/camera_info', self._camera_info(message_builders.header(time_ns, CAMERA))
        yield self._image, self._picture(frame.rgb, time_ns)
        yield (
            '/ground_truth/mask/compressed',
            message_builders.label_mask(frame.mask, time_ns, CAMERA),
        )
        yield (
            '/ground_truth/road_geometry',
            message_builders.road_geometry(frame.geometry, time_ns, BASE),
        )
        yield (
            '/ground_truth/free_space',
            message_builders.boundary(frame.free_space, time_ns, BASE, dense=False),
        )

    def _camera_info(self, header: Any) -> Any:
        lens = self._lens
        cx, cy = lens.centre
        k = np.array([lens.f, 0, cx, 0, lens.f, cy, 0, 0, 1.0])
        p = np.array([lens.f, 0, cx, 0, 0, lens.f, cy, 0, 0, 0, 1.0, 0])
        region = make(
            'sensor_msgs/msg/RegionOfInterest',
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        )
        return make(
            'sensor_msgs/msg/CameraInfo',
            header=header,
            height=lens.height,
            width=lens.width,
            distortion_model='plumb_bob',
            d=np.zeros(5),
            k=k,
            r=np.eye(3).ravel(),
            p=p,
            binning_x=0,
            binning_y=0,
            roi=region,
        )

    def _picture(self, rgb: np.ndarray, time_ns: int) -> Any:
        if self._raw:
            height, width = rgb.shape[:2]
            return make(
                'sensor_msgs/msg/Image',
                header=message_builders.header(time_ns, CAMERA),
                height=height,
                width=width,
                encoding='rgb8',
                is_bigendian=0,
                step=3 * width,
                data=rgb.ravel(),
            )
        return message_builders.compressed(
            cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR),
            '.jpg',
            'rgb8; jpeg compressed bgr8',
            time_ns,
            CAMERA,
            (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY),
        )


def _vector(kind: str, values: np.ndarray) -> Any:
    x, y, z = (float(v) for v in values)
    return make(f'geometry_msgs/msg/{kind}', x=x, y=y, z=z)


def _quaternion(rotation: np.ndarray) -> Any:
    x, y, z, w = Rotation.from_matrix(rotation).as_quat().tolist()
    return make('geometry_msgs/msg/Quaternion', x=x, y=y, z=z, w=w)


def _transform(header: Any, child: str, rotation: np.ndarray, position: np.ndarray) -> Any:
    transform = make(
        'geometry_msgs/msg/Transform',
        translation=_vector('Vector3', position),
        rotation=_quaternion(rotation),
    )
    stamped = make(
        'geometry_msgs/msg/TransformStamped',
        header=header,
        child_frame_id=child,
        transform=transform,
    )
    return make('tf2_msgs/msg/TFMessage', transforms=[stamped])


def _odometry(header: Any, frame: SimulatedFrame) -> Any:
    pose = make(
        'geometry_msgs/msg/Pose',
        position=_vector('Point', frame.position),
        orientation=_quaternion(frame.rotation),
    )
    twist = make(
        'geometry_msgs/msg/Twist',
        linear=_vector('Vector3', frame.linear),
        angular=_vector('Vector3', frame.angular),
    )
    certain = np.zeros(36)
    return make(
        'nav_msgs/msg/Odometry',
        header=header,
        child_frame_id=BASE,
        pose=make('geometry_msgs/msg/PoseWithCovariance', pose=pose, covariance=certain),
        twist=make('geometry_msgs/msg/TwistWithCovariance', twist=twist, covariance=certain),
    )


def _qos(latched: bool) -> Qos:
    """Return what a recorder would note: reliable, latched or volatile."""
    return Qos(
        QosHistory.KEEP_LAST,
        1 if latched else 10,
        QosReliability.RELIABLE,
        QosDurability.TRANSIENT_LOCAL if latched else QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )
