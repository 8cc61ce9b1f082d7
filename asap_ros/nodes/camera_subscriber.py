"""The camera's topics in the node: the newest frame goes to a worker, off the executor's thread."""

from __future__ import annotations

import math
import time

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from asap_ros.nodes import diagnostics, message_conversions, parameters
from asap_ros.nodes.frame_processor import FrameProcessor
from asap_ros.nodes.latest_item_worker import LatestItemWorker
from asap_ros.nodes.publishers import Publishers
from asap_ros.road.calibration import Calibration, calibration_doubts
from asap_ros.segmentation.frame_statistics import Counts


def newest_only() -> QoSProfile:
    """Return SensorDataQoS (REP-2003) with a queue of one: only the newest frame is worth it.

    One profile a subscription, since qos_overrides are written into the object.
    """
    return QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class CameraSubscriber:
    """Subscriptions to a camera's images and camera_info, for as long as the node is active.

    Every image is counted as received; one that nobody waits for, or that a newer one displaces,
    as dropped; all others go to ``processor``.
    """

    def __init__(
        self,
        node: LifecycleNode,
        processor: FrameProcessor,
        publishers: Publishers,
        counts: Counts,
    ):
        """Subscribe and begin to process, until ``close``; raises what rclpy does if it cannot."""
        self._node, self._publishers, self._counts = node, publishers, counts
        self.processor = processor
        self._worker = LatestItemWorker(processor.process, processor.report_crash)
        self._last_received = time.monotonic()
        self._last_offered = -math.inf
        self._last_stamp = 0
        self._compressed = parameters.read(node).compressed
        self._image = node.create_subscription(
            CompressedImage if self._compressed else Image,
            'image/compressed' if self._compressed else 'image',
            self._on_image,
            newest_only(),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        try:
            self._camera_info = node.create_subscription(
                CameraInfo, 'camera_info', self._on_camera_info, newest_only()
            )
        except Exception:
            node.destroy_subscription(self._image)
            raise
        self._worker.start()

    def close(self) -> None:
        """Unsubscribe and let the frame in work finish."""
        self._node.destroy_subscription(self._image)
        self._node.destroy_subscription(self._camera_info)
        self._worker.stop()

    def seconds_without_image(self) -> float:
        """Return the seconds since the last image arrived, or since the start."""
        return time.monotonic() - self._last_received

    def why_no_images(self) -> str:
        """Return why no image arrives, in one sentence."""
        kind = diagnostics.COMPRESSED if self._compressed else diagnostics.RAW
        return diagnostics.why_no_frames(
            self._node, self._image.topic_name, kind, self._image.qos_profile
        )

    def calibration_doubts(self) -> list[str]:
        """Return what in the latest camera_info contradicts itself or its use."""
        info = self.processor.camera_info
        if info is None:
            return []
        return calibration_doubts(
            Calibration.from_message(info),
            self._image.topic_name,
            self._node.get_parameter('rectified').value,
        )

    def _on_image(self, message: Image | CompressedImage) -> None:
        """Hand the newest frame to the worker; runs on the executor's thread."""
        self._counts.received += 1
        now = self._last_received = time.monotonic()
        stamp = message_conversions.nanoseconds(message.header.stamp)
        if stamp < self._last_stamp:
            self._node.get_logger().warning(
                f'stamps go back by {(self._last_stamp - stamp) / 1e9:.3f} s: the clock jumped, '
                'a bag began again, or two cameras share the topic',
                throttle_duration_sec=1.0,
            )
        self._last_stamp = stamp
        rate = parameters.read(self._node).max_rate
        if not self._publishers.wanted() or rate and now - self._last_offered < 1.0 / rate:
            self._counts.dropped += 1
            return
        self._last_offered = now
        self._counts.dropped += self._worker.offer(message)

    def _on_camera_info(self, message: CameraInfo) -> None:
        self.processor.camera_info = message
