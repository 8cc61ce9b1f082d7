"""The road geometry in the node: a frame's mask to everything that is published of its road."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from nav_msgs.msg import OccupancyGrid, Odometry, Path
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, LaserScan, PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from asap_ros.labels import LabelSet
from asap_ros.msg import RoadGeometry
from asap_ros.nodes import road_conversions
from asap_ros.nodes.camera_pose import FixedPose, TfPose
from asap_ros.nodes.message_conversions import nanoseconds
from asap_ros.parameters.segmenter_parameters import SegmenterParameters
from asap_ros.road.calibration import Calibration
from asap_ros.road.free_space import BOUNDARY_FIELDS, boundary_points
from asap_ros.road.geometry import Status, invalid
from asap_ros.road.grids import unknown_grid, unknown_scan
from asap_ros.road.motion_log import MotionLog
from asap_ros.road.road_model import Road
from asap_ros.road.road_pipeline import CameraBuilder, RoadPipeline, SourceImage

OUTPUTS = {
    'free_space/scan': LaserScan,
    'free_space/grid': OccupancyGrid,
    'free_space/boundary': PointCloud2,
    'ground_points': PointCloud2,
    'path': Path,
    'road_geometry': RoadGeometry,
    'markers': MarkerArray,
}
"""What is published of every frame's road, below ``~/``."""
STALE, FAILED = Status.STALE, Status.LOW_CONFIDENCE | Status.SHORT_VIEW
"""Why a frame without labels has no road: it came too late, or nothing could be seen in it."""
NO_CAMERA_INFO = 'no camera_info has come: is its topic remapped (camera_info_topic:=…)?'


class RoadPublisher:
    """The road model of one camera, and what it needs of ROS: TF, odometry.

    ``fault`` says why the road of the latest frame has no camera; it is empty where it has.
    """

    def __init__(self, node: Node, labels: LabelSet, parameters: SegmenterParameters):
        """Take the node's parameters; ValueError where they contradict each other.

        Listens to TF and odometry until ``close``.
        """
        self._node, self._labels = node, labels
        self._base_frame = parameters.base_frame
        mounted = parameters.camera.pose()
        self._poses = (
            TfPose(node, self._base_frame, parameters.tf_timeout)
            if mounted is None
            else FixedPose(mounted)
        )
        self._motion = MotionLog()
        self._pipeline = RoadPipeline(
            labels,
            parameters.road_options(),
            CameraBuilder(self._poses, parameters.rectified, NO_CAMERA_INFO),
            self._motion,
        )
        self._odometry = node.create_subscription(
            Odometry,
            'odometry',
            self._on_odometry,
            QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT),
        )
        self.fault = ''

    def close(self) -> None:
        """Stop listening."""
        self._poses.close()
        self._node.destroy_subscription(self._odometry)

    def _on_odometry(self, message: Odometry) -> None:
        twist = message.twist.twist
        self._motion.add(nanoseconds(message.header.stamp) / 1e9, twist.linear.x, twist.angular.z)

    def process(
        self,
        header: Header,
        mask: np.ndarray,
        confidence: np.ndarray,
        info: CameraInfo | None,
        image: tuple[int, int],
    ) -> Road:
        """Return the road of a frame.

        ``mask`` and ``confidence`` uint8 (H, W) of one grid; ``image`` (height, width) of the
        camera's image, which ``info`` must be of.
        """
        road = self._pipeline.process(
            SourceImage(header.frame_id, nanoseconds(header.stamp), image),
            mask,
            confidence,
            Calibration.from_message(info) if info is not None else None,
        )
        self.fault = f'road: {road.fault}' if road.fault else ''
        if self.fault:
            self._node.get_logger().warning(self.fault, throttle_duration_sec=5.0)
        return road

    def without_labels(self, mask: np.ndarray, why: Status) -> Road:
        """Return the road of a frame that was stale or failed: none."""
        return Road(invalid(why), mask)

    def publish(self, header: Header, road: Road, send: Callable[[str, Callable], None]) -> None:
        """Give ``send`` every output's name and what makes its message."""
        header = Header(stamp=header.stamp, frame_id=self._base_frame)
        model, geometry = self._pipeline.model, road.geometry
        send('road_geometry', lambda: road_conversions.road_geometry(geometry, header))
        send('path', lambda: road_conversions.path(geometry, header))
        # A LaserScan's rays leave from its frame's origin.
        send(
            'free_space/scan',
            lambda: road_conversions.laser_scan(
                model.scan(road, (0.0, 0.0)) or unknown_scan(model.options), header
            ),
        )
        send(
            'free_space/grid',
            lambda: road_conversions.occupancy_grid(
                model.grid(road) or unknown_grid(model.options), header
            ),
        )
        send(
            'free_space/boundary',
            lambda: road_conversions.point_cloud(_boundary(road), BOUNDARY_FIELDS, header),
        )
        send(
            'ground_points',
            lambda: road_conversions.point_cloud(
                self._ground_points(road), road_conversions.GROUND_FIELDS, header
            ),
        )
        send('markers', lambda: road_conversions.markers(geometry, self._labels, header))

    def _ground_points(self, road: Road) -> np.ndarray:
        points = self._pipeline.model.ground_points(road)
        return np.full((*road.mask.shape, 3), np.nan, np.float32) if points is None else points


def _boundary(road: Road) -> np.ndarray:
    if road.space is None:
        return np.empty((0, len(BOUNDARY_FIELDS)), np.float32)
    return boundary_points(road.space)
