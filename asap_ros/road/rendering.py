"""Label masks of roads whose every number is known, as a camera would see them."""

from __future__ import annotations

import numpy as np

from asap_ros.labels import LabelSet, Role
from asap_ros.road import clothoid
from asap_ros.road.projection import Camera

CORRELATION = 0.8
"""Of the noise between neighbouring rows: a network errs alike along an edge."""


def render_road(
    camera: Camera,
    parameters: np.ndarray,
    labels: LabelSet,
    sigma: float = 0.0,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Return the label mask uint8 (H, W) of a road between pavements under a sky.

    ``parameters`` (5 or more): clothoid.C0 to WIDTH. A pixel is road where its centre is.
    ``sigma`` pixels of noise move each edge, drawn from ``rng``.
    """
    mask = np.full((camera.height, camera.width), _first(labels, Role.PAVEMENT), np.uint8)
    columns, rows = np.arange(camera.width), np.arange(camera.height)
    mask[rows[:, None] <= camera.horizon(columns)] = _first(labels, Role.SKY)
    left, right = (
        _crossings(camera, parameters, side) + _noise(camera.height, sigma, rng)
        for side in (1.0, -1.0)
    )
    road = (columns >= left[:, None]) & (columns <= right[:, None])
    mask[road] = _first(labels, Role.DRIVABLE)
    return mask


def _crossings(camera: Camera, parameters: np.ndarray, side: float) -> np.ndarray:
    """Return the column at which an edge crosses each row, NaN where it does not."""
    s = camera.translation[0] + np.linspace(-3.0, 110.0, 6000)
    edge = clothoid.evaluate(parameters, s, side)
    u, v = camera.project(edge.x, edge.y)
    u, v = u[np.isfinite(v)], v[np.isfinite(v)]
    # An edge that turns back towards the camera is beyond what is told here.
    back = np.flatnonzero(np.diff(v) >= 0)
    end = back[0] + 1 if len(back) else len(v)
    return np.interp(
        np.arange(camera.height), v[:end][::-1], u[:end][::-1], left=np.nan, right=np.nan
    )


def _noise(count: int, sigma: float, rng: np.random.Generator | None) -> np.ndarray | float:
    if not sigma:
        return 0.0
    if rng is None:
        raise ValueError('noise is drawn from a generator: give one')
    noise = rng.normal(size=count)
    for row in range(1, count):
        noise[row] = CORRELATION * noise[row - 1] + np.sqrt(1 - CORRELATION**2) * noise[row]
    return sigma * noise


def _first(labels: LabelSet, role: Role) -> int:
    return next(c.id for c in labels.classes if c.role is role)
