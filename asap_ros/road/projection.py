"""A rectified pinhole camera above a flat ground: pixels to ground and back, with sigmas.

Frames: *optical* is REP-103's camera optical frame (x right, y down, z forward); everything
metric is in ``base_link`` (x forward, y left, z up), whose plane z = 0 is the ground. Pixel
(0, 0) is the centre of the first pixel, so an image of width W spans u from -0.5 to W - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asap_ros.road.pose import CameraError, PoseError, check_pose, rotation_y

HORIZON_EPS = 1e-3
"""Rays that fall by less than this per metre travelled are at or above the horizon."""

AHEAD = 20.0
"""Metres before the camera at which the vehicle's way must be in view of one that looks ahead."""

MIN_UPRIGHT = 0.1
"""How far the image's down must point down in base_link for the image to have a horizon."""


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

    def __post_init__(self) -> None:
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

    @property
    def looks_ahead(self) -> bool:
        """Return whether the vehicle's way is in view: the ground AHEAD metres before the camera."""
        u, _ = self.project(self.translation[0] + AHEAD, 0.0)
        return bool(-0.5 <= u <= self.width - 0.5)  # NaN, behind the camera, is not

    def pitched(self, angle: float) -> Camera:
        """Return this camera with its nose ``angle`` radians further down, at its place."""
        return replace(self, rotation=rotation_y(angle) @ self.rotation)

    def rays(self, u: float | np.ndarray, v: float | np.ndarray) -> np.ndarray:
        """Return the directions in base_link of pixels, shape of u and v with 3 appended."""
        u, v = np.broadcast_arrays(np.asarray(u, float), np.asarray(v, float))
        optical = np.stack(
            [(u - self.cx) / self.fx, (v - self.cy) / self.fy, np.ones(u.shape)], axis=-1
        )
        return optical @ self.rotation.T

    def ground(
        self, u: float | np.ndarray, v: float | np.ndarray, crest: float = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
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

    def project(
        self, x: float | np.ndarray, y: float | np.ndarray, z: float | np.ndarray = 0.0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return u and v of points in base_link; NaN where not in front of the camera."""
        x, y, z = np.broadcast_arrays(*(np.asarray(a, float) for a in (x, y, z)))
        optical = (np.stack([x, y, z], axis=-1) - self.translation) @ self.rotation
        depth = optical[..., 2]
        scale = np.where(depth > HORIZON_EPS, 1.0 / np.maximum(depth, HORIZON_EPS), np.nan)
        return (
            self.cx + self.fx * optical[..., 0] * scale,
            self.cy + self.fy * optical[..., 1] * scale,
        )

    def horizon(self, u: float | np.ndarray) -> np.ndarray:
        """Return the row v of the ground's horizon at columns u; may lie outside the image."""
        # The ray's z is linear in v, so its zero needs no search, whatever the roll.
        r20, r21, r22 = self.rotation[2]
        return self.cy - self.fy * (r20 * (np.asarray(u, float) - self.cx) / self.fx + r22) / r21

    def row_at_range(self, u: float | np.ndarray, distance: float) -> np.ndarray:
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
        self,
        x: float | np.ndarray,
        y: float | np.ndarray,
        row_sigma: float = 1.0,
        pitch_sigma: float = 0.0,
        height_sigma: float = 0.0,
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
