"""What a bag says of the vehicle: where its camera is and how it moves, without ROS."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from asap_ros.bags.reader import Bag, BagError
from asap_ros.bags.topics import DriveTopics
from asap_ros.bags.warnings import Warnings
from asap_ros.parameters.segmenter_parameters import SegmenterParameters
from asap_ros.road.calibration import Calibration, calibration_doubts
from asap_ros.road.motion_log import MAX_SILENCE, MotionLog
from asap_ros.road.pose import Pose, PoseError, check_pose
from asap_ros.road.projection import Camera
from asap_ros.road.road_pipeline import CameraBuilder, SourceImage
from asap_ros.road.tracker import EgoMotion

NO_CAMERA_INFO = 'the bag has no camera_info for the camera: nothing in metres'


@dataclass(frozen=True, eq=False)
class Odometry:
    """Measured velocities in the order of their stamps, arrays (n,).

    ``time`` s since the epoch; ``speed`` m/s forward; ``yaw_rate`` rad/s to the left.
    """

    time: np.ndarray
    speed: np.ndarray
    yaw_rate: np.ndarray


class CalibrationAndOdometry:
    """Calibration, mounting and motion out of a bag, asked for frame by frame in time order."""

    def __init__(self, bag: Bag, drive: DriveTopics, parameters: SegmenterParameters):
        """Read a bag's light topics once.

        ``warnings`` then says what could not be read, and what the parameters may have wrong.
        """
        self._base_frame, self._mounted = parameters.base_frame, parameters.camera.pose()
        self.warnings = Warnings()
        self._parents: dict[str, tuple[str, np.ndarray]] = {}
        infos: list[tuple[int, Calibration]] = []
        moves: list[tuple[float, float, float]] = []
        for message in bag.messages(drive.camera_info, drive.tf_static, drive.odometry):
            try:
                value = message.value
            except BagError as error:
                self.warnings.add(str(error))
                continue
            if message.topic == drive.camera_info:
                infos.append((message.stamp_ns, Calibration.from_message(value)))
            elif message.topic == drive.tf_static:
                for t in value.transforms:
                    self._parents[t.child_frame_id] = t.header.frame_id, _matrix(t.transform)
            else:
                twist = value.twist.twist
                moves.append((message.stamp_ns / 1e9, twist.linear.x, twist.angular.z))
        infos.sort(key=lambda entry: entry[0])
        if infos:
            for doubt in calibration_doubts(infos[-1][1], drive.image.name, parameters.rectified):
                self.warnings.add(doubt)
        moves = sorted(m for m in moves if np.isfinite(m).all())
        self._info_stamps = [stamp for stamp, _ in infos]
        self._infos = [info for _, info in infos]
        self.odometry = Odometry(*np.array(moves).reshape(-1, 3).T) if moves else None
        self._log, self._logged = MotionLog(), 0
        self._poses: dict[str, Pose] = {}
        self.cameras = CameraBuilder(self, parameters.rectified, NO_CAMERA_INFO)

    @property
    def calibrated(self) -> bool:
        """Return whether the bag holds a calibration of the camera at all."""
        return bool(self._infos)

    def calibration(self, stamp_ns: int) -> Calibration | None:
        """Return the calibration that holds at a stamp, None where the bag has none."""
        if not self._infos:
            return None
        return self._infos[max(bisect_right(self._info_stamps, stamp_ns) - 1, 0)]

    def camera(self, image: SourceImage, grid: tuple[int, int]) -> Camera:
        """Return the camera of a mask of ``grid`` (h, w) that was made of ``image``.

        Raises PoseError and CameraError as ``CameraBuilder.build``.
        """
        return self.cameras.build(image, self.calibration(image.stamp_ns), grid)

    def between(self, start: float, end: float) -> EgoMotion | None:
        """Return the motion between two stamps in s, None where the bag does not tell it."""
        if self.odometry is None:
            return None
        due = int(np.searchsorted(self.odometry.time, end + MAX_SILENCE, 'right'))
        for at in range(self._logged, due):
            self._log.add(
                float(self.odometry.time[at]),
                float(self.odometry.speed[at]),
                float(self.odometry.yaw_rate[at]),
            )
        self._logged = max(self._logged, due)
        return self._log.between(start, end)

    def at(self, frame_id: str, stamp_ns: int) -> Pose:
        """Return the pose of a frame in the base frame, which static transforms give."""
        if frame_id not in self._poses:
            self._poses[frame_id] = self._mounted or self._static_pose(frame_id)
        return self._poses[frame_id]

    def forget(self) -> None:
        """Do nothing: static transforms hold for ever."""

    def _static_pose(self, frame_id: str) -> Pose:
        """Return the pose of a frame in the base frame by static transforms alone."""
        frame, matrix = frame_id.removeprefix('/'), np.eye(4)
        to_root = {}
        while frame not in to_root:  # up from the camera, noting every frame on the way
            to_root[frame] = matrix
            if frame not in self._parents:
                break
            frame, step = self._parents[frame]
            matrix = step @ matrix
        base = self._base_frame
        frame, down, seen = base, np.eye(4), set()
        while frame not in to_root:  # up from the base until the ways meet
            if frame not in self._parents or frame in seen:
                raise PoseError(
                    f'/tf_static of the bag leads no way from {frame_id!r} (frame_id '
                    f'of the image) to {base!r} (base frame)'
                )
            seen.add(frame)
            frame, step = self._parents[frame]
            down = step @ down
        pose = np.linalg.inv(down) @ to_root[frame]
        check_pose(pose[:3, :3], pose[:3, 3])
        return Pose(pose[:3, :3], pose[:3, 3])


def _matrix(transform: Any) -> np.ndarray:
    """Return a geometry_msgs/Transform as a matrix (4, 4), NaN where it is no rotation."""
    q, t = transform.rotation, transform.translation
    matrix = np.eye(4)
    matrix[:3, 3] = t.x, t.y, t.z
    quaternion = np.array([q.x, q.y, q.z, q.w])
    if abs(np.linalg.norm(quaternion) - 1) <= 0.01:
        matrix[:3, :3] = Rotation.from_quat(quaternion).as_matrix()
    else:
        matrix[:3, :3] = np.nan
    return matrix
