"""Road geometry and free space out of messages, as the bag reader or rclpy gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from asap_ros.bags.message_builders import FLOAT32
from asap_ros.bags.reader import BagError
from asap_ros.road import clothoid
from asap_ros.road.geometry import ARRAYS, NUMBERS, ReferenceCurve, RoadGeometry, Status


@dataclass(frozen=True, eq=False)
class TrueSpace:
    """What truly ends the free space in each image column, left to right, arrays (n,).

    ``x``, ``y``, ``z`` metres in base_link, NaN where nothing blocks; ``blocker`` class ids of
    the truth's label set, 255 where nothing blocks.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    blocker: np.ndarray


def geometry_of(message: Any) -> RoadGeometry:
    """Return the corridor that an asap_ros/RoadGeometry states."""
    s = np.array(message.s, float)
    curve = clothoid.evaluate(
        np.array(
            [
                message.lateral_offset,
                message.heading,
                message.curvature,
                message.curvature_rate,
                message.width,
            ]
        ),
        s,
    )
    numbers: dict[str, Any] = {
        name: float(getattr(message, name)) for stem in NUMBERS for name in (stem, f'{stem}_sigma')
    }
    arrays: dict[str, Any] = {name: np.array(getattr(message, name), float) for name in ARRAYS}
    return RoadGeometry(
        valid=bool(message.valid),
        status=Status(int(message.status)),
        reference=ReferenceCurve(int(message.reference)),
        crest=float(message.crest),
        **numbers,
        **arrays,
        path=np.stack([curve.x, curve.y, curve.heading], axis=1),
        covariance=np.array(message.covariance, float).reshape(6, 6),
        view_start=float(message.view_start),
        view_end=float(message.view_end),
        blocker_class=int(message.blocker_class),
    )


def true_space_of(message: Any, columns: int) -> TrueSpace:
    """Return the boundary in a sensor_msgs/PointCloud2 with a point per image column.

    Raises BagError where it is not of ``columns`` points with float32 x, y, z, class.
    """
    fields = {f.name: f for f in message.fields}
    wanted = ('x', 'y', 'z', 'class')
    count = message.width * message.height
    if any(name not in fields or fields[name].datatype != FLOAT32 for name in wanted):
        raise BagError(
            'the true free space lacks float32 fields x, y, z, class; it has '
            f'{", ".join(fields) or "none"}'
        )
    if count != columns:
        raise BagError(
            f'the true free space has {count} points, the image {columns} columns; '
            'there must be one a column'
        )
    order = '>' if message.is_bigendian else '<'
    dtype = np.dtype(
        {
            'names': wanted,
            'formats': [f'{order}f4'] * 4,
            'offsets': [fields[n].offset for n in wanted],
            'itemsize': message.point_step,
        }
    )
    data = bytes(message.data)
    if len(data) < count * message.point_step:
        raise BagError(f'the true free space is cut off: {len(data)} bytes for {count} points')
    points = np.frombuffer(data, dtype, count)
    blocker = np.nan_to_num(points['class'], nan=255)
    x, y, z = (points[name].astype(float) for name in wanted[:3])
    return TrueSpace(x, y, z, blocker.astype(np.uint8))
