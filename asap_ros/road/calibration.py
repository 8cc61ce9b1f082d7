"""A sensor_msgs/CameraInfo as plain numbers, and the camera of a mask that is built from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from asap_ros.road.pose import CameraError, Pose
from asap_ros.road.projection import Camera

PINHOLE_MODELS = ('', 'plumb_bob', 'rational_polynomial')
"""Distortion models of CameraInfo that are a plain pinhole when all of D is zero."""


MAX_TURN = np.radians(0.2)
"""Radians by which R may turn rectified images before the frame of the transform matters."""

MIN_SCALE, SAME_SCALE = 0.1, 0.03
"""How far from 1 the factor between K and P must be to be doubted, and how far the factors of
focal lengths and optical centre may differ to be one: a rectification keeps the centre."""


@dataclass(frozen=True)
class Calibration:
    """The numbers of a sensor_msgs/CameraInfo, named as there.

    ``width``, ``height`` and the ROI are in pixels of the full sensor; ``k`` has 9 numbers,
    ``p`` 12 and ``r`` 9 (or none), ``d`` any count. A ROI of width or height 0 is the whole image.
    ``do_rectify`` of the ROI is not needed: image_proc keeps the raw window's pixel grid.
    """

    width: int
    height: int
    k: tuple[float, ...]
    d: tuple[float, ...] = ()
    p: tuple[float, ...] = ()
    r: tuple[float, ...] = ()
    distortion_model: str = 'plumb_bob'
    binning_x: int = 1
    binning_y: int = 1
    roi_x_offset: int = 0
    roi_y_offset: int = 0
    roi_width: int = 0
    roi_height: int = 0

    @classmethod
    def from_message(cls, info: Any) -> Calibration:
        """Return the numbers of a sensor_msgs/CameraInfo, of rclpy or of a bag reader."""
        roi = info.roi
        return cls(
            width=info.width,
            height=info.height,
            k=tuple(np.asarray(info.k, float).tolist()),
            d=tuple(np.asarray(info.d, float).tolist()),
            p=tuple(np.asarray(info.p, float).tolist()),
            r=tuple(np.asarray(info.r, float).tolist()),
            distortion_model=info.distortion_model,
            binning_x=info.binning_x,
            binning_y=info.binning_y,
            roi_x_offset=roi.x_offset,
            roi_y_offset=roi.y_offset,
            roi_width=roi.width,
            roi_height=roi.height,
        )

    @property
    def window(self) -> tuple[int, int]:
        """Width and height of the window on the sensor, in unbinned pixels."""
        return self.roi_width or self.width, self.roi_height or self.height

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height of the images that this calibration belongs to."""
        width, height = self.window
        return width // max(1, self.binning_x), height // max(1, self.binning_y)

    def check_images(self, size: tuple[int, int]) -> None:
        """Raise CameraError unless images of ``size`` (height, width) are those calibrated."""
        width, height = self.image_size
        if (height, width) != tuple(size):
            raise CameraError(
                f'camera_info is of {width}x{height} images, but the image is '
                f'{size[1]}x{size[0]}: is it the camera_info of another camera or mode?'
            )


def projection_matrix(calibration: Calibration, rectified: bool) -> np.ndarray:
    """Return the 3x4 projection of the full, unbinned sensor that fits the images.

    CameraInfo describes raw and rectified images alike and carries D with both, so only the
    caller can say which kind the images are: ``rectified`` is true for image_rect topics,
    false for image_raw. Rectified images are projected by P. Raw images are projected by K,
    and that is a pinhole only where D is zero. Raises CameraError otherwise, and for a K or P
    that is zero, NaN or skewed.
    """
    k = np.array(calibration.k, float)
    p = np.array(calibration.p if len(calibration.p) else np.zeros(12), float)
    if k.shape != (9,) or p.shape != (12,):
        raise CameraError(f'K has {k.size} numbers and P {p.size}; CameraInfo has 9 and 12')
    distorted = bool(
        np.any(np.array(calibration.d, float) != 0)
        or calibration.distortion_model not in PINHOLE_MODELS
    )
    if rectified and p.any():
        matrix = p.reshape(3, 4)
    elif distorted:
        raise CameraError(
            'the images are distorted (CameraInfo has '
            + (
                f'distortion model {calibration.distortion_model}'
                if not np.any(calibration.d)
                else 'non-zero D'
            )
            + (' and no P' if rectified else '')
            + "): run image_proc's rectify_node first (ros2 run image_proc rectify_node) and "
            'use its image_rect with this CameraInfo, declared as rectified'
        )
    else:
        matrix = np.hstack([k.reshape(3, 3), np.zeros((3, 1))])
    if not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise CameraError(
            'CameraInfo is not calibrated: K or P is zero or NaN; run '
            'camera_calibration and publish the result'
        )
    if abs(matrix[0, 1]) > 1e-3 * matrix[0, 0]:
        raise CameraError('cameras with skewed pixels (K[1] or P[1] not 0) are not supported')
    return matrix


def calibration_doubts(calibration: Calibration, topic: str, rectified: bool) -> list[str]:
    """Return what in a calibration contradicts itself or its use, a sentence each.

    ``topic`` is where the images come from. A calibration that cannot be used at all is
    ``projection_matrix``'s to refuse; these can be used, and the answer may be wrong in metres.
    """
    k, p = np.array(calibration.k, float), np.array(calibration.p, float)
    if not rectified or k.shape != (9,) or p.shape != (12,) or not p.any():
        return []
    doubts = []
    distorted = bool(np.any(np.array(calibration.d, float) != 0))
    if distorted and 'image_raw' in topic.split('/'):
        doubts.append(
            f'the road is found as if {topic} were rectified (rectified is true), but its name '
            'says otherwise and camera_info has non-zero D: use image_rect of image_proc'
        )
    elif distorted and np.array_equal(p.reshape(3, 4)[:, :3], k.reshape(3, 3)):
        doubts.append(
            'P of camera_info equals K although D is not zero: are the images rectified, and by '
            'this P? Otherwise run rectify_node of image_proc and use its image_rect'
        )
    if k.any():
        doubts += _doubt_scale(k.reshape(3, 3), p.reshape(3, 4))
    width, height = calibration.width, calibration.height
    if not (0 <= p[2] < width and 0 <= p[6] < height):
        doubts.append(
            f'the optical centre ({p[2]:.0f}, {p[6]:.0f}) of P lies outside of the '
            f'{width}x{height} images of camera_info: is it the calibration of another mode?'
        )
    turn = rotation_angle(calibration.r)
    if turn > MAX_TURN:
        doubts.append(
            f'R of camera_info turns the rectified images by {np.degrees(turn):.1f} degrees '
            'against the camera: the transform must be that of the rectified optical frame'
        )
    return doubts


def _doubt_scale(k: np.ndarray, p: np.ndarray) -> list[str]:
    """Return the doubt that P is K of another resolution: all of it by one factor."""
    factors = np.array([p[0, 0], p[1, 1], p[0, 2], p[1, 2]]) / [k[0, 0], k[1, 1], k[0, 2], k[1, 2]]
    scale = float(np.median(factors))
    if not np.isfinite(factors).all() or abs(scale - 1) < MIN_SCALE:
        return []
    if np.abs(factors / scale - 1).max() > SAME_SCALE:
        return []
    return [
        f'P of camera_info is {scale:.2f} times K in focal lengths and optical centre alike: it '
        'is the calibration of images of another resolution'
    ]


def rotation_angle(r: Sequence[float]) -> float:
    """Return by how many radians a rotation matrix of 9 numbers turns; 0 where none is stated."""
    matrix = np.array(r, float)
    if matrix.shape != (9,) or not matrix.any():
        return 0.0
    return float(np.arccos(np.clip((matrix[[0, 4, 8]].sum() - 1) / 2, -1.0, 1.0)))


def build_camera(
    calibration: Calibration, pose: Pose, mask_width: int, mask_height: int, rectified: bool
) -> Camera:
    """Return the camera of a mask that was resized from the calibration's images.

    The window (ROI) is cut out first, then binned, then resized, by pixel centres:
    c' = s (c + 0.5) - 0.5. A fourth column of P (the second camera of a stereo pair) moves
    the optical centre as CameraInfo defines it. Raises CameraError (see ``projection_matrix``).
    """
    matrix = projection_matrix(calibration, rectified)
    window_width, window_height = calibration.window
    if min(window_width, window_height) < 1 or min(mask_width, mask_height) < 1:
        raise CameraError(
            f'CameraInfo says {window_width}x{window_height} pixels, the mask has '
            f'{mask_width}x{mask_height}; neither may be empty'
        )
    sx, sy = mask_width / window_width, mask_height / window_height
    stereo = np.array([-matrix[0, 3] / matrix[0, 0], -matrix[1, 3] / matrix[1, 1], 0.0])
    return Camera(
        fx=sx * matrix[0, 0],
        fy=sy * matrix[1, 1],
        cx=sx * (matrix[0, 2] - calibration.roi_x_offset + 0.5) - 0.5,
        cy=sy * (matrix[1, 2] - calibration.roi_y_offset + 0.5) - 0.5,
        width=int(mask_width),
        height=int(mask_height),
        rotation=pose.rotation,
        translation=pose.translation + pose.rotation @ stereo,
    )
