"""What the segmenter publishes below ``~/``: its lifecycle publishers, and who listens to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from rclpy.lifecycle import LifecycleNode
from rclpy.lifecycle.publisher import LifecyclePublisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from vision_msgs.msg import LabelInfo

from asap_ros.msg import StageTimings
from asap_ros.nodes import road_publisher

RESULTS = QoSProfile(depth=5)
LATCHED = QoSProfile(
    depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE
)
OUTPUTS = {
    'mask': Image,
    'confidence': Image,
    'mask/camera_info': CameraInfo,
    'mask/compressed': CompressedImage,
    'overlay': Image,
    'timings': StageTimings,
    **road_publisher.OUTPUTS,
}
"""What is published for every frame."""
REASONS = tuple(name for name in OUTPUTS if name != 'timings')
"""Outputs that are a reason to run the network."""


class Publishers:
    """The publishers of one configuration; ``labels`` is that of ``~/label_info``, latched."""

    def __init__(self, node: LifecycleNode):
        """Advertise them all on the node, until ``close``."""
        self._node = node
        self._publishers = {
            name: node.create_lifecycle_publisher(kind, f'~/{name}', RESULTS)
            for name, kind in OUTPUTS.items()
        }
        self.labels = node.create_lifecycle_publisher(LabelInfo, '~/label_info', LATCHED)

    def __getitem__(self, name: str) -> LifecyclePublisher:
        """Return the publisher of ``~/name``."""
        return self._publishers[name]

    def wanted(self, names: Iterable[str] = REASONS) -> bool:
        """Return whether anybody listens to one of these outputs."""
        return any(self[name].get_subscription_count() for name in names)

    def send(self, name: str, make: Callable) -> None:
        """Publish on ``~/name`` what ``make`` returns, if anybody listens."""
        if self[name].get_subscription_count():
            self[name].publish(make())

    def close(self) -> None:
        """Take the publishers off the node."""
        for publisher in [*self._publishers.values(), self.labels]:
            self._node.destroy_lifecycle_publisher(publisher)
