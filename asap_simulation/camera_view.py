"""A pinhole camera in the world, and where on the ground its pixels look.

Optical axes as in REP-103: x right, y down, z forward. Pixel (0, 0) is the first pixel's centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_simulation.terrain import Terrain

KNOT = 32
"""Columns between those for which the ground is worked out; between them the homogeneous
coordinates are linear, which is exact for planes and better than a centimetre for bends."""

FARTHEST = 1500.0
"""Metres of depth beyond which no ground is drawn."""


@dataclass(frozen=True, eq=False)
class CameraView:
    """A camera: ``fx fy cx cy width height`` in pixels, and its pose.

    ``rotation`` (3, 3) and ``position`` (3,) are the optical frame's in the world.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    rotation: np.ndarray
    position: np.ndarray

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return u, v and depth (metres) of points (n, 3); u and v mean nothing if depth <= 0."""
        optical = (np.asarray(points, float) - self.position) @ self.rotation
        depth = optical[..., 2]
        scale = 1.0 / np.where(depth > 1e-6, depth, 1e-6)
        return (
            self.cx + self.fx * optical[..., 0] * scale,
            self.cy + self.fy * optical[..., 1] * scale,
            depth,
        )

    def rays(self, u: float | np.ndarray, v: float | np.ndarray) -> np.ndarray:
        """Return directions (..., 3) in the world of pixels, of depth 1."""
        u, v = np.broadcast_arrays(np.asarray(u, float), np.asarray(v, float))
        optical = np.stack(
            [(u - self.cx) / self.fx, (v - self.cy) / self.fy, np.ones(u.shape)], axis=-1
        )
        return optical @ self.rotation.T


class GroundView:
    """The ground as a view sees it: for rows ``top`` and below, where each pixel meets it.

    At the knots (rows, k): ``nearness`` 1/depth (0: no ground there), ``x`` and ``y`` in the
    world. ``depth`` (rows, W) float32 metres, inf where there is no ground.
    """

    def __init__(self, view: CameraView, terrain: Terrain):
        """Work out where the rays of a view meet the terrain."""
        self.view = view
        cells = -(-(view.width - 1) // KNOT)
        self.columns = KNOT * np.arange(cells + 1)
        rows = np.arange(view.height)
        nearness = (
            _level(view, self.columns, rows)
            if terrain.level
            else _hills(view, self.columns, rows, terrain)
        )
        seen = nearness > 1 / FARTHEST
        self.top = int(np.argmax(seen.any(axis=1))) if seen.any() else view.height
        nearness = nearness[self.top :]
        self._share = (np.arange(KNOT) / KNOT).astype(np.float32)
        if not terrain.level:
            # No ground between a crest and what is seen over it.
            near, far = (f(nearness[:, 1:], nearness[:, :-1]) for f in (np.maximum, np.minimum))
            torn = near > 1.3 * far
            self._share = np.where(torn[..., None], np.rint(self._share), self._share)
        self.nearness = nearness
        self._safe = np.maximum(nearness, 1 / FARTHEST)
        rays = view.rays(self.columns, rows[self.top :, None]) / self._safe[..., None]
        self.x, self.y = view.position[0] + rays[..., 0], view.position[1] + rays[..., 1]
        near = self._linear(nearness)
        self.is_ground = near > 1 / FARTHEST
        self.depth = np.where(self.is_ground, 1 / np.maximum(near, 1e-9), np.inf)
        self._depth = 1 / np.maximum(self._linear(self._safe), 1e-9)

    def _linear(self, field: np.ndarray) -> np.ndarray:
        """Return a field (rows, k) of the knots at every pixel (rows, W), float32."""
        field = field.astype(np.float32)
        cells = field[:, :-1, None] + np.diff(field)[:, :, None] * self._share
        return cells.reshape(len(field), -1)[:, : self.view.width]

    def spread(self, field: np.ndarray) -> np.ndarray:
        """Return a quantity on the ground (rows, k) at every pixel (rows, W), float32.

        Exact for what is linear on a level ground.
        """
        return self._linear(field * self._safe) * self._depth

    def smooth(self, field: np.ndarray) -> np.ndarray:
        """Return a quantity (rows, k) that is linear in the image at every pixel, float32."""
        return self._linear(field)


def _level(view: CameraView, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return 1/depth of the plane z = 0, (rows, columns); negative above the horizon."""
    return -view.rays(columns, rows[:, None])[..., 2] / view.position[2]


def _hills(
    view: CameraView, columns: np.ndarray, rows: np.ndarray, terrain: Terrain
) -> np.ndarray:
    """Return 1/depth of a wavy ground, (rows, columns), 0 where a ray meets none.

    Each column walks away from the camera; ground that does not rise in the image above all that
    came before is hidden.
    """
    depth = 1 / np.linspace(1 / 1.0, 1 / FARTHEST, 500)
    depth = np.unique(np.concatenate([depth, np.geomspace(2.0, 600.0, 700)]))[:, None]
    across = (columns - view.cx) / view.fx
    r = view.rotation
    height = np.zeros((len(depth), len(columns)))
    for _ in range(3):
        down = (height - view.position[2] - depth * (r[2, 0] * across + r[2, 2])) / (
            depth * r[2, 1]
        )
        height = terrain.height(
            view.position[0] + depth * (r[0, 0] * across + r[0, 1] * down + r[0, 2])
        )
    v = view.cy + view.fy * down
    nearness = np.zeros((len(rows), len(columns)))
    for column in range(len(columns)):
        lowest = np.minimum.accumulate(v[:, column])
        visible = np.r_[True, v[1:, column] < lowest[:-1]]
        nearness[:, column] = np.interp(
            rows, v[visible, column][::-1], 1 / depth[visible, 0][::-1], left=0.0
        )
    return nearness
