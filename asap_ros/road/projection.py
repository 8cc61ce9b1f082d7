"""A rectified pinhole camera above a flat ground: pixels to ground and back, with sigmas.

Frames: *optical* is REP-103's camera optical frame (x right, y down, z forward); everything
metric is in ``base_link`` (x forward, y left, z up), whose plane z = 0 is the ground. Pixel
(0, 0) is the centre of the first pixel, so an image of width W spans u from -0.5 to W - 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

HORIZON_EPS = 1e-3
"""Rays that fall by less than this per metre travelled are at or above the horizon."""

MIN_UPRIGHT = 0.1
"""How far the image's down must point down in base_link for the image to have a horizon."""

BODY_FROM_OPTICAL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
"""Rotation of a camera that looks along x of base_link, level and upright."""

PINHOLE_MODELS = ('', 'plumb_bob', 'rational_polynomial', 'thin_prism_fisheye')
"""Distortion models of CameraInfo that are a plain pinhole when all of D is zero."""


class CameraError(ValueError):
    """A calibration that no ground geometry can be built on; the message says what to do."""


class PoseError(CameraError):
    """A camera pose that is not a pose above the ground: NaN, no rotation, below z = 0."""


@dataclass(frozen=True)
class Calibration:
    """The numbers of a sensor_msgs/CameraInfo, named as there.

    ``width``, ``height`` and the ROI are in pixels of the full sensor; ``k`` has 9 numbers,
    ``p`` 12 (or none), ``d`` any count. A ROI of width or height 0 is the whole image.
    ``do_rectify`` of the ROI is not needed: image_proc keeps the raw window's pixel grid.
    """

    width: int
    height: int
    k: tuple[float, ...]
    d: tuple[float, ...] = ()
    p: tuple[float, ...] = ()
    distortion_model: str = 'plumb_bob'
    binning_x: int = 1
    binning_y: int = 1
    roi_x_offset: int = 0
    roi_y_offset: int = 0
    roi_width: int = 0
    roi_height: int = 0

    @property
    def window(self) -> tuple[int, int]:
        """Width and height of the window on the sensor, in unbinned pixels."""
        return self.roi_width or self.width, self.roi_height or self.height

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height of the images that this calibration belongs to."""
        width, height = self.window
        return width // max(1, self.binning_x), height // max(1, self.binning_y)


@dataclass(frozen=True, eq=False)
class Pose:
    """Where the optical frame is in base_link: p_base = rotation @ p_optical + translation."""

    rotation: np.ndarray
    translation: np.ndarray


@dataclass(frozen=True, eq=False)
class Camera:
    """A rectified pinhole of a mask's own grid, and its pose.

    ``fx fy cx cy`` pixels of the mask; ``rotation`` (3, 3) optical to base_link;
    ``translation`` (3,) the optical centre in base_link, metres, z > 0. Compared by identity,
    so that tables derived from a camera can be kept for as long as it is the same object.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    rotation: np.ndarray
    translation: np.ndarray

    def __post_init__(self):
        """Raise CameraError or PoseError where a number cannot be used."""
        numbers = np.array([self.fx, self.fy, self.cx, self.cy], float)
        if not np.isfinite(numbers).all() or self.fx <= 0 or self.fy <= 0:
            raise CameraError(
                f'the focal lengths {self.fx}, {self.fy} and the centre {self.cx}, {self.cy} '
                'are no calibration; calibrate the camera and publish its CameraInfo'
            )
        if self.width < 1 or self.height < 1:
            raise CameraError(f'a mask of {self.width}x{self.height} pixels has no camera')
        check_pose(self.rotation, self.translation)
        if self.rotation[2, 1] > -MIN_UPRIGHT:
            raise PoseError(
                'the camera lies on its side, hangs upside down or looks straight '
                'down: down in the image must be down in base_link; check the '
                'transform, or turn the image'
            )

    @property
    def pitch(self) -> float:
        """The optical axis against the ground plane, radians, positive nose down."""
        return float(-np.arcsin(np.clip(self.rotation[2, 2], -1.0, 1.0)))

    def pitched(self, angle: float) -> Camera:
        """Return this camera with its nose ``angle`` radians further down, at its place."""
        return replace(self, rotation=rotation_y(angle) @ self.rotation)

    def rays(self, u, v) -> np.ndarray:
        """Return the directions in base_link of pixels, shape of u and v with 3 appended."""
        u, v = np.broadcast_arrays(np.asarray(u, float), np.asarray(v, float))
        optical = np.stack(
            [(u - self.cx) / self.fx, (v - self.cy) / self.fy, np.ones(u.shape)], axis=-1
        )
        return optical @ self.rotation.T

    def ground(self, u, v, crest: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return x and y (metres, base_link) where pixels meet the ground; NaN where never.

        The ground falls away by crest x^2 / 2, ``crest`` in 1/m: see ``ground_depth``.
        """
        ray = self.rays(u, v)
        t = self.ground_depth(ray[..., 0], ray[..., 2], crest)
        return self.translation[0] + t * ray[..., 0], self.translation[1] + t * ray[..., 1]

    def ground_depth(self, ray_x: np.ndarray, ray_z: np.ndarray, crest: float) -> np.ndarray:
        """Return in how many lengths of a ray (x and z of it in base_link) it meets the ground.

        NaN where it never does. A ray that passes over a crest ends above its rim, beyond which
        no ground is seen.
        """
        x, _, height = self.translation.tolist()  # floats, so that float32 stays float32
        if crest == 0:
            down = -ray_z
            return np.where(down > HORIZON_EPS, height / np.maximum(down, HORIZON_EPS), np.nan)
        # The nearer solution of height + t ray_z = -crest / 2 (x + t ray_x)^2.
        above = height + 0.5 * crest * x * x
        rim = 2 * crest * above * ray_x**2
        down = -ray_z - crest * x * ray_x
        if crest > 0:
            down = np.maximum(down, np.sqrt(rim))
        down = down + np.sqrt(np.maximum(down**2 - rim, 0.0))
        return np.where(down > HORIZON_EPS, 2 * above / np.maximum(down, HORIZON_EPS), np.nan)

    def project(self, x, y, z=0.0) -> tuple[np.ndarray, np.ndarray]:
        """Return u and v of points in base_link; NaN where not in front of the camera."""
        x, y, z = np.broadcast_arrays(*(np.asarray(a, float) for a in (x, y, z)))
        optical = (np.stack([x, y, z], axis=-1) - self.translation) @ self.rotation
        depth = optical[..., 2]
        scale = np.where(depth > HORIZON_EPS, 1.0 / np.maximum(depth, HORIZON_EPS), np.nan)
        return (
            self.cx + self.fx * optical[..., 0] * scale,
            self.cy + self.fy * optical[..., 1] * scale,
        )

    def horizon(self, u) -> np.ndarray:
        """Return the row v of the ground's horizon at columns u; may lie outside the image."""
        # The ray's z is linear in v, so its zero needs no search, whatever the roll.
        r20, r21, r22 = self.rotation[2]
        return self.cy - self.fy * (r20 * (np.asarray(u, float) - self.cx) / self.fx + r22) / r21

    def row_at_range(self, u, distance: float) -> np.ndarray:
        """Return the row v at which the ground of columns u is ``distance`` metres away.

        Measured from the camera's foot; rows below it are nearer.
        """
        # A column's ray is a + b w with w = (v - cy) / fy: where h |a + b w| = distance * fall.
        a = self.rotation[:, :1] * (np.asarray(u, float) - self.cx) / self.fx
        a = a + self.rotation[:, 2:]
        b = self.rotation[:, 1:2]
        weight = np.array([[self.translation[2]], [self.translation[2]], [distance]]) ** 2
        weight[2] *= -1
        square, middle, rest = ((weight * p * q).sum(axis=0) for p, q in ((b, b), (a, b), (a, a)))
        # Of the two solutions the lower row is before the camera, the other behind it.
        w = (-middle - np.sqrt(np.maximum(middle**2 - square * rest, 0.0))) / square
        return self.cy + self.fy * w

    def range_sigma(
        self, x, y, row_sigma: float = 1.0, pitch_sigma: float = 0.0, height_sigma: float = 0.0
    ) -> np.ndarray:
        """Return the sigma in metres of the range from the camera's foot to ground points.

        ``row_sigma`` pixels, ``pitch_sigma`` radians, ``height_sigma`` metres add up in
        quadrature: r^2/(f h), r^2/h and r/h times them.
        """
        height = self.translation[2]
        r = np.hypot(
            np.asarray(x, float) - self.translation[0], np.asarray(y, float) - self.translation[1]
        )
        return (
            r
            / height
            * np.sqrt((r * row_sigma / self.fy) ** 2 + (r * pitch_sigma) ** 2 + height_sigma**2)
        )


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
    x, y, z, w = q / norm
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
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


def projection(calibration: Calibration, rectified: bool) -> np.ndarray:
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
    if rectified and p[0] != 0:
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


def doubt_rectified(topic: str, d: Sequence[float]) -> str:
    """Return why images that are declared to be rectified may not be; '' if nothing says so.

    ``topic``: where they come from; ``d``: the distortion in their CameraInfo, which stands there
    beside rectified images too.
    """
    if 'image_raw' not in topic.split('/') or not np.any(np.array(d, float) != 0):
        return ''
    return (
        f'the road is found as if {topic} were rectified (rectified is true), but its name '
        'says otherwise and camera_info has non-zero D: use image_rect of image_proc'
    )


def build_camera(
    calibration: Calibration, pose: Pose, mask_width: int, mask_height: int, rectified: bool
) -> Camera:
    """Return the camera of a mask that was resized from the calibration's images.

    The window (ROI) is cut out first, then binned, then resized, by pixel centres:
    c' = s (c + 0.5) - 0.5. A fourth column of P (the second camera of a stereo pair) moves
    the optical centre as CameraInfo defines it. Raises CameraError (see ``projection``).
    """
    matrix = projection(calibration, rectified)
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
