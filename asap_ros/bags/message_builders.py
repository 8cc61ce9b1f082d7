"""Messages as bags hold them, made without ROS out of the project's own values.

Their classes come from message definitions at run time, so that their type is Any.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import cv2
import numpy as np

from asap_ros.bags.typestore import typestore
from asap_ros.road.free_space import BOUNDARY_FIELDS
from asap_ros.road.geometry import RoadGeometry

FLOAT32 = 7
"""Code of 32-bit floats in sensor_msgs/PointField."""


def make(kind: str, **values: Any) -> Any:
    """Return a message of a type such as ``sensor_msgs/msg/Image``."""
    return typestore().types[kind](**values)


def header(stamp_ns: int, frame_id: str) -> Any:
    """Return a std_msgs/Header."""
    stamp = make('builtin_interfaces/msg/Time', sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return make('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def compressed(
    pixels: np.ndarray,
    suffix: str,
    form: str,
    stamp_ns: int,
    frame_id: str,
    options: tuple[int, ...] = (),
) -> Any:
    """Return a sensor_msgs/CompressedImage of pixels as OpenCV has them; ``form`` is its format.

    ``suffix`` is the file ending of the kind, such as ``.jpg``.
    """
    return make(
        'sensor_msgs/msg/CompressedImage',
        header=header(stamp_ns, frame_id),
        format=form,
        data=cv2.imencode(suffix, pixels, options)[1].ravel(),
    )


def label_mask(mask: np.ndarray, stamp_ns: int, frame_id: str) -> Any:
    """Return a label mask uint8 (H, W) as the node's ~/mask/compressed is."""
    return compressed(mask, '.png', 'mono8; png compressed ', stamp_ns, frame_id)


def road_geometry(geometry: RoadGeometry, stamp_ns: int, base_frame: str) -> Any:
    """Return a corridor as asap_ros/RoadGeometry, whose fields are those of the corridor."""
    values = {f.name: getattr(geometry, f.name) for f in fields(geometry) if f.name != 'path'}
    values = {
        name: np.asarray(value, np.float64).ravel() if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }
    values |= {'status': int(geometry.status), 'reference': int(geometry.reference)}
    return make('asap_ros/msg/RoadGeometry', header=header(stamp_ns, base_frame), **values)


def path(geometry: RoadGeometry, stamp_ns: int, base_frame: str) -> Any:
    """Return a corridor's middle as nav_msgs/Path, no poses where it is invalid."""
    types = typestore().types
    point, turn, pose, stamped = (
        types[f'geometry_msgs/msg/{name}']
        for name in ('Point', 'Quaternion', 'Pose', 'PoseStamped')
    )
    head = header(stamp_ns, base_frame)
    return types['nav_msgs/msg/Path'](
        head,
        [
            stamped(
                head,
                pose(
                    point(x, y, 0.0), turn(0.0, 0.0, np.sin(0.5 * heading), np.cos(0.5 * heading))
                ),
            )
            for x, y, heading in geometry.path.tolist()
        ],
    )


def boundary(points: np.ndarray, stamp_ns: int, base_frame: str, dense: bool = True) -> Any:
    """Return points float32 (n, 6) as the node's ~/free_space/boundary is.

    ``dense``: none of them is NaN.
    """
    size = 4 * len(BOUNDARY_FIELDS)
    described = [
        make('sensor_msgs/msg/PointField', name=name, offset=4 * k, datatype=FLOAT32, count=1)
        for k, name in enumerate(BOUNDARY_FIELDS)
    ]
    return make(
        'sensor_msgs/msg/PointCloud2',
        header=header(stamp_ns, base_frame),
        height=1,
        width=len(points),
        fields=described,
        is_bigendian=False,
        point_step=size,
        row_step=size * len(points),
        is_dense=dense,
        data=np.ascontiguousarray(points, '<f4').view(np.uint8).ravel(),
    )
