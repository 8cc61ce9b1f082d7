"""A live segmenter in this process, a camera that feeds it, and all that it publishes."""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.lifecycle.publisher import LifecyclePublisher
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import LabelInfo

from asap_ros.imaging import message_codec
from asap_ros.msg import StageTimings
from asap_ros.nodes import road_publisher
from asap_ros.nodes.road_publisher import RoadPublisher
from asap_ros.nodes.segmenter import Segmenter
from asap_ros.segmentation.engine_manager import EngineManager
from asap_ros.segmentation.frame_statistics import Counts
from asap_ros.segmentation.pipeline import Pipeline
from support import tiny_model

SIZE = (64, 128)
TIMEOUT = 30.0
KINDS = {
    'mask': Image,
    'confidence': Image,
    'mask/camera_info': CameraInfo,
    'overlay': Image,
    'mask/compressed': CompressedImage,
    'timings': StageTimings,
    'label_info': LabelInfo,
}
ALL = tuple(KINDS)
"""Everything that is made of a frame's labels alone."""
KINDS |= road_publisher.OUTPUTS
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def pixels(message: Image) -> np.ndarray:
    """Return the pixels of a tightly packed message, uint8 (H, W) or (H, W, 3)."""
    shape = (message.height, message.width, -1)
    return np.frombuffer(message.data, np.uint8).reshape(shape).squeeze()


def camera_info(height: int = SIZE[0], width: int = SIZE[1]) -> CameraInfo:
    """Return the calibration of a camera of that size."""
    k = [100.0, 0.0, width / 2, 0.0, 110.0, height / 2, 0.0, 0.0, 1.0]
    return CameraInfo(
        height=height,
        width=width,
        k=k,
        r=np.eye(3).ravel().tolist(),
        p=[*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0],
    )


class LiveSegmenter:
    """The segmenter and its camera, both spun by the one thread that calls ``wait``.

    ``heard``: messages by the names in KINDS, in the order they came.
    """

    def __init__(self, model, **parameters):
        values = {
            'model': str(model),
            'engine': 'onnxruntime',
            'provider': 'cpu',
            'threads': 1,
            'network_height': SIZE[0],
            'network_width': SIZE[1],
            'max_age': 0.0,
        }
        self.node = Segmenter(
            parameter_overrides=[
                Parameter(name, value=value) for name, value in (values | parameters).items()
            ]
        )
        self.camera = Node('camera')
        self.raw = self.camera.create_publisher(Image, 'image', 1)
        self.jpeg = self.camera.create_publisher(CompressedImage, 'image/compressed', 1)
        self.info = self.camera.create_publisher(CameraInfo, 'camera_info', 1)
        self.heard: dict[str, list] = {}
        self.statuses: dict[str, list[DiagnosticStatus]] = {}
        self.camera.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        self._subscriptions = {}
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._executor.add_node(self.camera)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.statuses.setdefault(status.name.partition(': ')[2], []).append(status)

    def close(self) -> None:
        """End both nodes."""
        self._executor.shutdown()
        self.camera.destroy_node()
        self.node.destroy_node()

    @property
    def counts(self) -> Counts:
        """What became of the frames since activation."""
        return self.node._counts

    @property
    def pipeline(self) -> Pipeline:
        """The configured segmenter's pipeline."""
        return self.node._configuration.pipeline

    @property
    def engine(self) -> EngineManager:
        """What runs the network."""
        return self.pipeline._engine

    @property
    def road(self) -> RoadPublisher:
        """The road's part of the configured segmenter."""
        return self.node._configuration.road

    @property
    def camera_info(self) -> CameraInfo | None:
        """The camera_info that the segmenter has."""
        return self.node._camera.processor.camera_info

    def publisher(self, name: str) -> LifecyclePublisher:
        """Return the segmenter's publisher of ``~/name``."""
        return self.node._configuration.publishers[name]

    def wait(self, done: Callable[[], object], what: str = 'it') -> None:
        """Spin until ``done``; AssertionError that names ``what`` after TIMEOUT."""
        end = time.monotonic() + TIMEOUT
        while not done():
            assert time.monotonic() < end, f'waited in vain for {what}; heard {self.summary()}'
            self._executor.spin_once(timeout_sec=0.02)

    def summary(self) -> str:
        """Return what has come so far, for a failing test."""
        counts = {name: len(found) for name, found in self.heard.items()}
        return f'{counts}, {self.counts}'

    def spin(self, seconds: float) -> None:
        """Spin for a while: for tests of what must not come."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._executor.spin_once(timeout_sec=0.02)

    def start(self, *outputs: str) -> LiveSegmenter:
        """Configure and activate, and subscribe to these outputs."""
        assert self.node.trigger_configure() == TransitionCallbackReturn.SUCCESS
        self.activate()
        for name in outputs:
            self.listen(name)
        return self

    def activate(self) -> None:
        """Activate and wait until the camera's publishers are matched."""
        assert self.node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        image = self.jpeg if self.node.get_parameter('compressed').value else self.raw
        self.wait(
            lambda: image.get_subscription_count() and self.info.get_subscription_count(),
            'the segmenter to subscribe',
        )

    def listen(self, name: str) -> None:
        """Subscribe to an output and wait until it is matched."""
        self.heard[name] = []
        self._subscriptions[name] = self.camera.create_subscription(
            KINDS[name],
            f'/segmenter/{name}',
            self.heard[name].append,
            LATCHED if name == 'label_info' else 10,
        )
        self.wait(
            lambda: (
                self.camera.count_publishers(f'/segmenter/{name}')
                and (name == 'label_info' or self.publisher(name).get_subscription_count())
            ),
            name,
        )

    def ignore(self, name: str) -> None:
        """Unsubscribe from an output and wait until the segmenter knows."""
        self.camera.destroy_subscription(self._subscriptions.pop(name))
        self.wait(lambda: not self.publisher(name).get_subscription_count(), 'no subscriber')

    def header(self, number: int = 0, frame_id: str = 'camera_optical') -> Header:
        """Return a header of its own for every number."""
        return Header(stamp=Time(sec=100 + number, nanosec=7 * number + 1), frame_id=frame_id)

    def frame(self, number: int = 0, **changes) -> Image:
        """Return the number'th frame, rgb8 of SIZE, with some fields changed."""
        message = message_codec.encode(
            tiny_model.frame(*SIZE, seed=number), 'rgb8', self.header(number)
        )
        for name, value in changes.items():
            setattr(message, name, value)
        return message

    def jpeg_frame(self, number: int = 0) -> CompressedImage:
        """Return the number'th frame, uniform in colour, as JPEG."""
        picture = np.full((*SIZE, 3), (10, 20, 100), np.uint8)  # BGR: red 100 is class 4
        data = cv2.imencode('.jpg', picture)[1].tobytes()
        return CompressedImage(header=self.header(number), format='jpeg', data=data)

    def calibrate(self, info: CameraInfo) -> None:
        """Send a camera_info and wait until it has arrived."""
        self.info.publish(info)
        self.wait(lambda: self.camera_info == info, 'camera_info')

    def answered(self) -> int:
        """Return how many frames were answered or dropped since activation."""
        counts = self.counts
        return counts.processed + counts.failed + counts.stale + counts.dropped

    def offer(self, message: Image | CompressedImage) -> None:
        """Send a frame and wait until it has arrived."""
        count = self.counts.received + 1
        (self.raw if isinstance(message, Image) else self.jpeg).publish(message)
        self.wait(lambda: self.counts.received >= count, 'the frame to arrive')

    def send(self, message: Image | CompressedImage, without: tuple[str, ...] = ()) -> None:
        """Send a frame and wait until it is answered on every output but those ``without``."""
        before = self.answered()
        due = {
            name: len(found) + 1
            for name, found in self.heard.items()
            if name not in ('label_info', *without)
        }
        (self.raw if isinstance(message, Image) else self.jpeg).publish(message)
        self.wait(lambda: self.answered() > before, 'an answer')
        self.wait(
            lambda: all(len(self.heard[name]) >= count for name, count in due.items()),
            f'{", ".join(due)}',
        )
        if without:
            self.spin(0.2)

    def status(self, name: str, text: str) -> DiagnosticStatus:
        """Return the first status of that name whose message holds ``text``; waits for it."""

        def found():
            return [s for s in self.statuses.get(name, []) if text in s.message]

        self.wait(
            found,
            f'{name} to say {text!r}, it says '
            f'{[s.message for s in self.statuses.get(name, [])][-1:]}',
        )
        return found()[0]

    def set(self, name: str, value) -> None:
        """Set a parameter that may change while running."""
        (result,) = self.node.set_parameters([Parameter(name, value=value)])
        assert result.successful, result.reason
