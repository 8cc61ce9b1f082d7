"""The bag of results: what was made of a drive, beside the stamps of the frames it was made of."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from asap_ros.road.free_space import FreeSpace, boundary_points
from asap_ros.road.geometry import RoadGeometry
from asap_ros.typestore import typestore

FOLDER = 'results'
BOUNDARY_FIELDS = ('x', 'y', 'z', 'class', 'range_sigma', 'confidence')
NUMBERS = ('lateral_offset', 'heading', 'curvature', 'curvature_rate', 'width', 'pitch',
           'blocker_distance')
ARRAYS = ('s', 'curvature_at_s', 'curvature_at_s_sigma', 'lateral_at_s_sigma')


class OutputBag:
    """An MCAP bag that appears whole in ``folder/results``, or not at all."""

    def __init__(self, folder: Path):
        """Prepare a bag; nothing is written before the first message."""
        self._final = folder / FOLDER
        self._partial = folder / f'.{FOLDER}.partial'
        self._writer: Writer | None = None
        self._connections: dict[tuple[str, str], Connection] = {}

    def _open(self) -> Writer:
        """Begin to write; OSError where that cannot be done."""
        shutil.rmtree(self._partial, ignore_errors=True)  # the rest of a run that was killed
        self._partial.mkdir(parents=True)
        writer = Writer(self._partial / FOLDER, version=9, storage_plugin=StoragePlugin.MCAP)
        # Chunks in zstd: a label mask is a thirtieth of its size then.
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        writer.open()
        return writer

    def write(self, topic: str, kind: str, time_ns: int, cdr: bytes) -> None:
        """Append a serialised message of a known type at the bag's time in ns."""
        if self._writer is None:
            self._writer = self._open()
        key = topic, kind
        if key not in self._connections:
            self._connections[key] = self._writer.add_connection(
                topic, kind, typestore=typestore())
        self._writer.write(self._connections[key], time_ns, cdr)

    def put(self, topic: str, time_ns: int, message) -> None:
        """Append a message of the type store."""
        kind = message.__msgtype__
        self.write(topic, kind, time_ns, bytes(typestore().serialize_cdr(message, kind)))

    def close(self) -> Path | None:
        """Finish the bag and return its folder, None where nothing was written."""
        if self._writer is None:
            return None
        self._writer.close()
        self._writer = None
        shutil.rmtree(self._final, ignore_errors=True)
        (self._partial / FOLDER).rename(self._final)
        shutil.rmtree(self._partial)
        return self._final

    def discard(self) -> None:
        """Drop what was written; after ``close`` this does nothing."""
        if self._writer is not None:
            self._writer.abort()
            self._writer = None
            shutil.rmtree(self._partial, ignore_errors=True)


def header(stamp_ns: int, frame_id: str):
    """Return a std_msgs/Header."""
    types = typestore().types
    stamp = types['builtin_interfaces/msg/Time'](stamp_ns // 10**9, stamp_ns % 10**9)
    return types['std_msgs/msg/Header'](stamp, frame_id)


def png(mask: np.ndarray, stamp_ns: int, frame_id: str):
    """Return a label mask uint8 (H, W) as the node's ~/mask/compressed is."""
    data = cv2.imencode('.png', mask)[1].ravel()
    return typestore().types['sensor_msgs/msg/CompressedImage'](
        header(stamp_ns, frame_id), 'mono8; png compressed ', data)


def road_geometry(geometry: RoadGeometry, stamp_ns: int, base_frame: str):
    """Return a corridor as asap_ros/RoadGeometry."""
    numbers = {name: float(getattr(geometry, name))
               for stem in NUMBERS for name in (stem, f'{stem}_sigma')}
    arrays = {name: np.asarray(getattr(geometry, name), np.float64) for name in ARRAYS}
    return typestore().types['asap_ros/msg/RoadGeometry'](
        header=header(stamp_ns, base_frame), valid=geometry.valid, status=int(geometry.status),
        reference=int(geometry.reference), covariance=geometry.covariance.ravel(),
        view_start=geometry.view_start, view_end=geometry.view_end, crest=geometry.crest,
        blocker_class=geometry.blocker_class, **numbers, **arrays)


def path(geometry: RoadGeometry, stamp_ns: int, base_frame: str):
    """Return a corridor's middle as nav_msgs/Path, no poses where it is invalid."""
    types = typestore().types
    point, turn, pose, stamped = (types[f'geometry_msgs/msg/{name}'] for name in (
        'Point', 'Quaternion', 'Pose', 'PoseStamped'))
    head = header(stamp_ns, base_frame)
    return types['nav_msgs/msg/Path'](head, [
        stamped(head, pose(point(x, y, 0.0), turn(0.0, 0.0, np.sin(0.5 * heading),
                                                  np.cos(0.5 * heading))))
        for x, y, heading in geometry.path.tolist()])


def boundary(space: FreeSpace, stamp_ns: int, base_frame: str):
    """Return the boundary of free space as the node's ~/free_space/boundary is."""
    types = typestore().types
    points = boundary_points(space)
    size = 4 * len(BOUNDARY_FIELDS)
    fields = [types['sensor_msgs/msg/PointField'](name, 4 * k, 7, 1)
              for k, name in enumerate(BOUNDARY_FIELDS)]
    return types['sensor_msgs/msg/PointCloud2'](
        header(stamp_ns, base_frame), 1, len(points), fields, False, size, size * len(points),
        np.frombuffer(points.tobytes(), np.uint8), True)
