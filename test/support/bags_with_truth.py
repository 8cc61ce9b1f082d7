"""Small bags with ground truth: a road of known curvature, seen from a moving car."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

from asap_ros.bags import message_builders
from asap_ros.bags.typestore import typestore
from asap_ros.road import geometry
from asap_ros.road.free_space import BOUNDARY_FIELDS
from support import synthetic_roads, tiny_bags
from support.synthetic_roads import Mount, Truth

MOUNT = Mount(f=283.0, cx=127.5, cy=63.5, width=256, height=128)
SPEED = 10.0
BEND = Truth(0.3, 0.0, 0.01)
TYPES = typestore().types


def header(index, frame_id='camera_optical'):
    return message_builders.header(tiny_bags.START_NS + index * tiny_bags.PERIOD_NS, frame_id)


def _optical():
    """Return the quaternion of MOUNT's optical frame in base_link."""
    from scipy.spatial.transform import Rotation

    body = Rotation.from_euler('ZYX', [MOUNT.yaw, MOUNT.pitch, MOUNT.roll])
    return (body * Rotation.from_matrix([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])).as_quat()


def transforms(index):
    transform = TYPES['geometry_msgs/msg/Transform'](
        TYPES['geometry_msgs/msg/Vector3'](MOUNT.x, 0.0, MOUNT.up),
        TYPES['geometry_msgs/msg/Quaternion'](*_optical()),
    )
    return TYPES['tf2_msgs/msg/TFMessage'](
        [
            TYPES['geometry_msgs/msg/TransformStamped'](
                header(0, 'base_link'), 'camera_optical', transform
            )
        ]
    )


def camera_info(index):
    region = TYPES['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    k = np.array([MOUNT.f, 0, MOUNT.cx, 0, MOUNT.f, MOUNT.cy, 0, 0, 1])
    p = np.insert(k, [3, 6, 9], 0.0)
    return TYPES['sensor_msgs/msg/CameraInfo'](
        header(index),
        MOUNT.height,
        MOUNT.width,
        'plumb_bob',
        np.zeros(5),
        k,
        np.eye(3).ravel(),
        p,
        0,
        0,
        region,
    )


def odometry(index, curvature):
    twist = TYPES['geometry_msgs/msg/Twist'](
        TYPES['geometry_msgs/msg/Vector3'](SPEED, 0.0, 0.0),
        TYPES['geometry_msgs/msg/Vector3'](0.0, 0.0, SPEED * curvature),
    )
    pose = TYPES['geometry_msgs/msg/Pose'](
        TYPES['geometry_msgs/msg/Point'](0.0, 0.0, 0.0),
        TYPES['geometry_msgs/msg/Quaternion'](0.0, 0.0, 0.0, 1.0),
    )
    return TYPES['nav_msgs/msg/Odometry'](
        header(index, 'odom'),
        'base_link',
        TYPES['geometry_msgs/msg/PoseWithCovariance'](pose, np.zeros(36)),
        TYPES['geometry_msgs/msg/TwistWithCovariance'](twist, np.zeros(36)),
    )


def road_geometry(index, truth: Truth):
    s = np.arange(0.0, 60.0, 0.5)
    x, y = truth.centre(s)
    heading = truth.heading + truth.curvature * s + 0.5 * truth.rate * s * s
    zero = np.zeros_like(s)
    told = geometry.RoadGeometry(
        valid=True,
        status=geometry.Status.OK,
        lateral_offset=truth.offset,
        lateral_offset_sigma=0.0,
        heading=truth.heading,
        heading_sigma=0.0,
        curvature=truth.curvature,
        curvature_sigma=0.0,
        curvature_rate=truth.rate,
        curvature_rate_sigma=0.0,
        width=truth.width,
        width_sigma=0.0,
        pitch=MOUNT.pitch,
        pitch_sigma=0.0,
        crest=0.0,
        covariance=np.zeros((6, 6)),
        s=s,
        curvature_at_s=truth.curvature + truth.rate * s,
        curvature_at_s_sigma=zero,
        lateral_at_s_sigma=zero,
        path=np.stack([x, y, heading], axis=1),
        view_start=0.0,
        view_end=59.5,
    )
    return message_builders.road_geometry(
        told, tiny_bags.START_NS + index * tiny_bags.PERIOD_NS, 'base_link'
    )


def free_space(index, mask):
    """Return the point per column where the mask's road ends, from the mount's own geometry."""
    road = mask == synthetic_roads.ROAD
    rows = np.arange(MOUNT.height)[:, None]
    hole = ~road & (rows <= MOUNT.height - 1)
    contact = np.where(hole, rows, -1).max(axis=0)
    points = np.full((MOUNT.width, 6), np.nan, np.float32)
    points[:, 3] = 255
    for u, v in enumerate(contact):
        angle = MOUNT.pitch + np.arctan((v + 0.5 - MOUNT.cy) / MOUNT.f)
        if v < 0 or angle <= 0.005:
            continue
        x = MOUNT.up / np.tan(angle)
        depth = x * np.cos(MOUNT.pitch) + MOUNT.up * np.sin(MOUNT.pitch)
        points[u, :4] = x, -(u - MOUNT.cx) / MOUNT.f * depth, 0.0, mask[v, u]
    fields = [
        TYPES['sensor_msgs/msg/PointField'](name, 4 * k, 7, 1)
        for k, name in enumerate(BOUNDARY_FIELDS)
    ]
    return TYPES['sensor_msgs/msg/PointCloud2'](
        header(index, 'base_link'),
        1,
        MOUNT.width,
        fields,
        False,
        24,
        24 * MOUNT.width,
        np.frombuffer(points.tobytes(), np.uint8),
        False,
    )


def picture(index, mask):
    """Return a frame whose colours are its classes."""
    rgb = synthetic_roads.LABELS.colours[mask]
    return TYPES['sensor_msgs/msg/Image'](
        header(index), MOUNT.height, MOUNT.width, 'rgb8', 0, 3 * MOUNT.width, rgb.ravel()
    )


def write(path: Path, frames=12, truth: Truth = BEND, boxes=(), left_out=()) -> Path:
    """Write a bag of a road that stays as it is, with all truth of it but topics left out."""
    mask = synthetic_roads.render(truth, MOUNT, boxes)
    topics = {
        '/camera/image_raw': lambda k: picture(k, mask),
        '/camera/camera_info': camera_info,
        '/tf_static': transforms,
        '/odometry': lambda k: odometry(k, truth.curvature),
        '/ground_truth/mask/compressed': lambda k: message_builders.label_mask(
            mask, tiny_bags.START_NS + k * tiny_bags.PERIOD_NS, 'camera_optical'
        ),
        '/ground_truth/road_geometry': lambda k: road_geometry(k, truth),
        '/ground_truth/free_space': lambda k: free_space(k, mask),
    }
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {}
        for index in range(frames):
            for name, make in topics.items():
                if name in left_out or (index and name == '/tf_static'):
                    continue
                message = make(index)
                kind = message.__msgtype__
                if name not in connections:
                    connections[name] = writer.add_connection(name, kind, typestore=typestore())
                writer.write(
                    connections[name],
                    tiny_bags.START_NS + index * tiny_bags.PERIOD_NS,
                    typestore().serialize_cdr(message, kind),
                )
    return path
