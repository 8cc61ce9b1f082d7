"""Free space and corridor as ROS messages; each function takes the header that goes out."""

from __future__ import annotations

from array import array

import numpy as np
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion
from nav_msgs.msg import MapMetaData, OccupancyGrid, Path
from sensor_msgs.msg import LaserScan, PointCloud2, PointField
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from asap_ros.labels import LabelSet
from asap_ros.msg import RoadGeometry as RoadGeometryMessage
from asap_ros.road.geometry import ARRAYS, NO_BLOCKER, NUMBERS, RoadGeometry
from asap_ros.road.grids import Grid, Scan
from asap_ros.road.outline import OutlineLine, outline

GROUND_FIELDS = ('x', 'y', 'z')
EDGE, BAND, CENTRE, BLOCKER = (
    ColorRGBA(r=r, g=g, b=b, a=a)
    for r, g, b, a in (
        (0.1, 0.6, 1.0, 1.0),
        (0.1, 0.6, 1.0, 0.25),
        (0.2, 0.9, 0.3, 1.0),
        (1.0, 0.2, 0.1, 0.8),
    )
)
BLOCKER_TALL = 1.5
"""Metres that the marker of what blocks is tall."""


def laser_scan(scan: Scan, header: Header) -> LaserScan:
    """Return a scan whose origin is the header's frame; intensities are what blocks, by class."""
    return LaserScan(
        header=header,
        angle_min=scan.angle_min,
        angle_increment=scan.angle_increment,
        angle_max=scan.angle_min + (len(scan.ranges) - 1) * scan.angle_increment,
        range_min=scan.range_min,
        range_max=scan.range_max,
        ranges=array('f', scan.ranges.tobytes()),
        intensities=array('f', scan.classes.astype(np.float32).tobytes()),
    )


def occupancy_grid(grid: Grid, header: Header) -> OccupancyGrid:
    """Return a grid whose cell (0, 0) has the smallest x and y: 0 free, 100 boundary, -1."""
    rows, columns = grid.cells.shape
    origin = Pose(position=Point(x=grid.origin[0], y=grid.origin[1]))
    return OccupancyGrid(
        header=header,
        data=array('b', grid.cells.tobytes()),
        info=MapMetaData(
            map_load_time=header.stamp,
            resolution=grid.resolution,
            width=columns,
            height=rows,
            origin=origin,
        ),
    )


def point_cloud(points: np.ndarray, fields: tuple[str, ...], header: Header) -> PointCloud2:
    """Return float32 points (n, fields), or (H, W, fields) for an organised cloud.

    An organised cloud may hold NaN and says so by ``is_dense``.
    """
    height, width = points.shape[:2] if points.ndim == 3 else (1, len(points))
    size = 4 * len(fields)
    data = array('B')
    data.frombytes(np.ascontiguousarray(points, np.float32).tobytes())
    return PointCloud2(
        header=header,
        height=height,
        width=width,
        point_step=size,
        row_step=size * width,
        is_bigendian=False,
        is_dense=points.ndim == 2,
        data=data,
        fields=[
            PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
            for i, name in enumerate(fields)
        ],
    )


def path(geometry: RoadGeometry, header: Header) -> Path:
    """Return the corridor's reference over its view; no poses where there is none."""
    return Path(
        header=header,
        poses=[
            PoseStamped(
                header=header,
                pose=Pose(
                    position=Point(x=x, y=y),
                    orientation=Quaternion(z=np.sin(0.5 * heading), w=np.cos(0.5 * heading)),
                ),
            )
            for x, y, heading in geometry.path.tolist()
        ],
    )


def road_geometry(geometry: RoadGeometry, header: Header) -> RoadGeometryMessage:
    """Return the corridor with its sigmas and status bits."""
    numbers = {
        name: getattr(geometry, name) for stem in NUMBERS for name in (stem, f'{stem}_sigma')
    }
    arrays = {name: array('d', getattr(geometry, name).tobytes()) for name in ARRAYS}
    return RoadGeometryMessage(
        header=header,
        valid=geometry.valid,
        status=int(geometry.status),
        reference=int(geometry.reference),
        covariance=geometry.covariance.ravel(),
        view_start=geometry.view_start,
        view_end=geometry.view_end,
        blocker_class=geometry.blocker_class,
        crest=geometry.crest,
        **numbers,
        **arrays,
    )


def markers(geometry: RoadGeometry, labels: LabelSet, header: Header) -> MarkerArray:
    """Return the corridor for RViz: edges with their 95 % bands, centre, and what blocks it.

    What is not known in this frame is deleted. Edges are drawn where the reference is the
    middle between them.
    """
    drawn: dict[str, Marker] = {}
    lines = outline(geometry)
    if lines is not None:
        drawn['centre'] = _line(lines.centre.points, CENTRE)
        for name, edge in zip(('left', 'right'), lines.edges or ()):
            drawn[name] = _line(edge.points, EDGE)
            drawn[f'{name} band'] = _ribbon(edge)
        if geometry.blocker_class != NO_BLOCKER:
            drawn['blocker'] = _box(geometry)
            drawn['blocker class'] = _text(geometry, labels)
    every = ('centre', 'left', 'left band', 'right', 'right band', 'blocker', 'blocker class')
    result = MarkerArray()
    for number, name in enumerate(every):
        marker = drawn.get(name, Marker(action=Marker.DELETE))
        marker.header, marker.ns, marker.id = header, 'corridor', number
        result.markers.append(marker)
    return result


def _points(xy: np.ndarray) -> list[Point]:
    return [Point(x=x, y=y) for x, y in xy.tolist()]


def _line(xy: np.ndarray, colour: ColorRGBA) -> Marker:
    marker = Marker(type=Marker.LINE_STRIP, color=colour, points=_points(xy))
    marker.scale.x = 0.12
    return marker


def _ribbon(line: OutlineLine) -> Marker:
    left, right = line.first, line.second
    corners = np.stack([left[:-1], right[:-1], left[1:], left[1:], right[:-1], right[1:]], axis=1)
    marker = Marker(type=Marker.TRIANGLE_LIST, color=BAND, points=_points(corners.reshape(-1, 2)))
    marker.scale.x = marker.scale.y = marker.scale.z = 1.0
    return marker


def _box(geometry: RoadGeometry) -> Marker:
    x, y, heading = geometry.path[-1].tolist()
    marker = Marker(type=Marker.CUBE, color=BLOCKER)
    marker.pose.position = Point(x=x, y=y, z=0.5 * BLOCKER_TALL)
    marker.pose.orientation = Quaternion(z=np.sin(0.5 * heading), w=np.cos(0.5 * heading))
    marker.scale.x, marker.scale.y, marker.scale.z = 0.3, 1.8, BLOCKER_TALL
    return marker


def _text(geometry: RoadGeometry, labels: LabelSet) -> Marker:
    x, y, _ = geometry.path[-1].tolist()
    marker = Marker(
        type=Marker.TEXT_VIEW_FACING,
        color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0),
        text=f'{labels.names[geometry.blocker_class]} {geometry.blocker_distance:.0f} m',
    )
    marker.pose.position = Point(x=x, y=y, z=BLOCKER_TALL + 0.5)
    marker.scale.z = 0.6
    return marker
