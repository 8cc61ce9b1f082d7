"""The pose of a camera on the vehicle: from TF's quaternion or from its mounting.

Frames: *optical* is REP-103's camera optical frame (x right, y down, z forward); ``base_link`` is
REP-105's (x forward, y left, z up), whose plane z = 0 is the ground.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rotation of a camera that looks along x of base_link, level and upright."""


class CameraError(ValueError):
    """A calibration that no ground geometry can be built on; the message says what to do."""


class PoseError(CameraError):
    """A camera pose that is not a pose above the ground: NaN, no rotation, below z = 0."""


@dataclass(frozen=True, eq=False)
class Pose:
    """Where the optical frame is in base_link: p_base = rotation @ p_optical + translation."""

    rotation: np.ndarray
    translation: np.ndarray


def rotation_y(angle: float) -> np.ndarray:
    """Return the rotation about y of base_link; a positive angle turns the nose down."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def check_pose(rotation: np.ndarray, translation: np.ndarray) -> None:
    """Raise PoseError unless this is a rotation and a place above the ground plane z = 0."""
    if not (np.isfinite(rotation).all() and np.isfinite(translation).all()):
        raise PoseError(
            'the transform from the camera to base_link holds NaN or infinity; '
            'check who publishes it'
        )
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-4 or np.linalg.det(rotation) < 0:
        raise PoseError('the transform from the camera to base_link is no rotation')
    if translation[2] <= 0:
        raise PoseError(
            f'the camera is at z = {translation[2]:.3f} m of base_link, but z = 0 '
            'is the ground: publish the transform to a frame on the ground, or set '
            'the camera height'
        )


def pose_from_quaternion(
    x: float, y: float, z: float, w: float, tx: float, ty: float, tz: float
) -> Pose:
    """Return the pose of a transform base_link <- optical frame, as TF gives it.

    Raises PoseError for NaN, for a quaternion that is not of length 1 (to 1 %), for tz <= 0.
    """
    q = np.array([x, y, z, w], float)
    norm = float(np.linalg.norm(q))
    if not np.isfinite(norm) or abs(norm - 1) > 0.01:
        raise PoseError(f'the quaternion {q.tolist()} of the camera is not of length 1')
    rotation = Rotation.from_quat(q).as_matrix()
    translation = np.array([tx, ty, tz], float)
    check_pose(rotation, translation)
    return Pose(rotation, translation)


def pose_from_mounting(
    height: float,
    pitch: float = 0.0,
    roll: float = 0.0,
    yaw: float = 0.0,
    x: float = 0.0,
    y: float = 0.0,
) -> Pose:
    """Return the pose of a camera by its mounting: metres and radians, REP-103.

    The camera body is turned by Rz(yaw) Ry(pitch) Rx(roll): **pitch > 0 is nose down**,
    yaw > 0 looks to the left, roll > 0 lowers the right-hand side. Raises PoseError for NaN
    and for height <= 0.
    """
    cr, sr, cz, sz = np.cos(roll), np.sin(roll), np.cos(yaw), np.sin(yaw)
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]], float)
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]], float)
    rotation = about_z @ rotation_y(pitch) @ about_x @ BODY_FROM_OPTICAL
    translation = np.array([x, y, height], float)
    check_pose(rotation, translation)
    return Pose(rotation, translation)
