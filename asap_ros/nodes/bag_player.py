"""Publishing one camera of a recorded drive under its recorded names, and the time it has."""

from __future__ import annotations

from typing import Any

from nav_msgs.msg import Odometry
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_msgs.msg import TFMessage

from asap_ros.bags.reader import Bag, Message, Topic
from asap_ros.bags.topics import DriveTopics
from asap_ros.nodes.output_recorder import LATCHED


class BagPlayer:
    """Image, calibration, odometry, static transforms and /clock of a drive.

    ``now_ns`` is the bag's time, which never goes back.
    """

    def __init__(self, node: Node, bag: Bag, drive: DriveTopics):
        """Create the publishers and send the transforms that hold for the whole drive."""
        self._node = node
        self._time = node.create_publisher(Clock, '/clock', 10)
        if drive.image.compressed:
            image = CompressedImage, f'{drive.image_name}/compressed'
        else:
            image = Image, drive.image_name
        self._image = node.create_publisher(*image, 5)
        self._outputs: dict[Topic, tuple[type, Publisher]] = {drive.image: (image[0], self._image)}
        for topic, kind, name, depth in (
            (drive.camera_info, CameraInfo, drive.camera_info_name, 5),
            (drive.odometry, Odometry, drive.odometry.name if drive.odometry else '', 50),
        ):
            if topic:
                self._outputs[topic] = kind, node.create_publisher(kind, name, depth)
        self._static = None
        if drive.tf_static:
            # One latched message must hold what the recorded ones said together.
            transforms = {
                t.child_frame_id: t
                for m in bag.messages(drive.tf_static)
                for t in deserialize_message(m.cdr, TFMessage).transforms
            }
            self._static = node.create_publisher(TFMessage, '/tf_static', LATCHED)
            self._static.publish(TFMessage(transforms=list(transforms.values())))
        first = next(bag.messages(drive.image), None)
        self.now_ns = 0
        self.publish_clock(first.time_ns if first else 0)

    @property
    def image_name(self) -> str:
        """Return the topic that the camera's images go out on."""
        return self._image.topic_name

    @property
    def has_subscribers(self) -> bool:
        """Return whether anybody subscribes to the camera's images."""
        return self._image.get_subscription_count() > 0

    def static_transforms_delivered(self) -> bool:
        """Return whether all subscribers to /tf_static have received it; waits 0.1 s at most."""
        if not self._static:
            return True
        known = self._node.count_subscribers(self._static.topic_name)
        return self._static.get_subscription_count() >= known and self._static.wait_for_all_acked(
            Duration(seconds=0.1)
        )

    def deserialize(self, message: Message) -> Any:
        """Return a recorded message as rclpy has it; it raises on damaged bytes, as it will."""
        return deserialize_message(message.cdr, self._outputs[message.topic][0])

    def publish(self, message: Message, value: Any) -> None:
        """Send a recorded message, its ``value`` as ``deserialize`` returned it, at its time."""
        self.publish_clock(message.time_ns)
        self._outputs[message.topic][1].publish(value)

    def publish_clock(self, bag_ns: int) -> None:
        """Publish /clock."""
        self.now_ns = max(self.now_ns, bag_ns)
        seconds, nanoseconds = divmod(self.now_ns, 1_000_000_000)
        clock = Clock()
        clock.clock.sec, clock.clock.nanosec = seconds, nanoseconds
        self._time.publish(clock)
