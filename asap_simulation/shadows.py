"""Which ground lies in the shadow of what stands on it."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from asap_simulation.canvas import FRACTION, Canvas, fixed
from asap_simulation.objects import SceneObject
from asap_simulation.terrain import Terrain

FARTHEST = 120.0
"""Metres from the camera within which things cast shadows."""

CONTACT = 0.65
"""Share of all light that does not get below a vehicle."""


def shade(canvas: Canvas, things: Iterable[SceneObject], terrain: Terrain, top: int) -> np.ndarray:
    """Return the share of the sun that is hidden, float32 (rows, W), rows from ``top``."""
    sun = canvas.light.sun_direction
    dark = np.zeros(canvas.label.shape, np.uint8)
    per_metre = np.append(-sun[:2] / sun[2], 0.0)
    for thing in things:
        if canvas.distance(thing.foot) > FARTHEST:
            continue
        for outline in thing.shadow_outlines():
            points = thing.foot + outline + outline[:, 2:] * per_metre
            points[:, 2] = terrain.height(points[:, 0]) if not terrain.level else 0.0
            hull = cv2.convexHull(points[:, :2].astype(np.float32), returnPoints=False)[:, 0]
            _fill(canvas, dark, points[hull], 255)
    return cv2.GaussianBlur(dark[top:], (0, 0), 1.6).astype(np.float32) * np.float32(1 / 255)


def contact(canvas: Canvas, things: Iterable[SceneObject], top: int) -> np.ndarray:
    """Return how much light of any kind is kept from the ground, float32 (rows, W)."""
    dark = np.zeros(canvas.label.shape, np.uint8)
    for thing in things:
        points = thing.contact_shadow()
        if points is not None and canvas.distance(thing.foot) < FARTHEST:
            _fill(canvas, dark, points, 255)
    return cv2.GaussianBlur(dark[top:], (0, 0), 2.5).astype(np.float32) * np.float32(CONTACT / 255)


def _fill(canvas: Canvas, dark: np.ndarray, points: np.ndarray, value: int) -> None:
    pixels = canvas.outline(points)
    if pixels is not None:
        cv2.fillConvexPoly(dark, fixed(pixels), value, cv2.LINE_AA, FRACTION)
