"""Listening to all that a segmenter says: into the bag of results, and some to callbacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path as FilePath

from ament_index_python.packages import get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid, Path
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosbags.typesys import get_types_from_msg
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2
from vision_msgs.msg import LabelInfo
from visualization_msgs.msg import MarkerArray

from asap_ros.bags.typestore import typestore
from asap_ros.bags.writer import ResultBag
from asap_ros.msg import RoadGeometry, StageTimings

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# BEST_AVAILABLE (since Iron) takes what the publisher offers; before it, best effort takes both.
RESULTS = QoSProfile(
    depth=10,
    reliability=getattr(ReliabilityPolicy, 'BEST_AVAILABLE', ReliabilityPolicy.BEST_EFFORT),
)
OUTPUTS = {
    'mask': Image,
    'timings': StageTimings,
    'road_geometry': RoadGeometry,
    'path': Path,
    'free_space/scan': LaserScan,
    'free_space/grid': OccupancyGrid,
    'free_space/boundary': PointCloud2,
    'confidence': Image,
    'mask/camera_info': CameraInfo,
    'label_info': LabelInfo,
}
"""What is always listened to, below the segmenter's name; label_info is last (see ``subscribe``)."""
COSTLY = {
    'overlay': Image,
    'ground_points': PointCloud2,
    'mask/compressed': CompressedImage,
    'markers': MarkerArray,
}
"""What the segmenter makes for nobody else as a rule: pictures, and points of 6 MB a frame."""


def subscribe(
    node: Node,
    segmenter: str,
    everything: bool,
    bag: ResultBag,
    clock: Callable[[], int],
    callbacks: Mapping[str, Callable],
) -> list:
    """Subscribe to a segmenter's outputs and return the subscriptions.

    Each message goes into ``bag`` as it came, at the time ``clock`` tells in ns; those that
    ``callbacks`` names go to them too. Subscriptions are announced in the order of their
    making, so once the latched label_info has come, the segmenter knows of the others and leaves
    out no message.
    """

    def on_message(topic: str, kind: type, name: str, cdr: bytes) -> None:
        bag.write(topic, f'{kind.__module__.partition(".")[0]}/msg/{kind.__name__}', clock(), cdr)
        if name in callbacks:
            callbacks[name](deserialize_message(cdr, kind))

    _register_types('vision_msgs', 'VisionClass', 'LabelInfo')
    named = {**(COSTLY if everything else {}), **OUTPUTS}
    topics: list[tuple[str, str, type, QoSProfile | int]] = [
        ('/diagnostics', '/diagnostics', DiagnosticArray, 10)
    ]
    topics += [
        (name, f'{segmenter}/{name}', kind, LATCHED if name == 'label_info' else RESULTS)
        for name, kind in named.items()
    ]
    return [
        node.create_subscription(
            kind,
            topic,
            partial(on_message, node.resolve_topic_name(topic), kind, name),
            qos,
            raw=True,
        )
        for name, topic, kind, qos in topics
    ]


def _register_types(package: str, *names: str) -> None:
    """Add message types of an installed package to the store that bags are described by."""
    share = FilePath(get_package_share_directory(package))
    for name in names:
        if f'{package}/msg/{name}' not in typestore().types:
            text = (share / 'msg' / f'{name}.msg').read_text()
            typestore().register(get_types_from_msg(text, f'{package}/msg/{name}'))
