"""Trees, people, cyclists and signs as flat pictures with a shape, painted from seeds."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import ArrayLike

from asap_simulation.canvas import NOTHING, FlatPicture, cutout
from asap_simulation.light import encode

LIGHT, SIGN, VEGETATION, PERSON, RIDER, BICYCLE = 6, 7, 8, 11, 12, 18
"""Cityscapes train ids of what is painted here."""

SKIN = ((0.42, 0.26, 0.18), (0.55, 0.36, 0.26), (0.16, 0.09, 0.06))
CLOTHES = (
    (0.02, 0.02, 0.03),
    (0.05, 0.07, 0.16),
    (0.20, 0.04, 0.04),
    (0.30, 0.28, 0.25),
    (0.04, 0.10, 0.06),
    (0.45, 0.40, 0.10),
    (0.10, 0.10, 0.11),
    (0.35, 0.08, 0.16),
)


CIRCLE = np.stack(
    [f(np.linspace(0, 2 * np.pi, 16, endpoint=False)) for f in (np.cos, np.sin)], axis=1
)


class _Sheet:
    """Colour, alpha and labels under the brush; places are fractions of the height."""

    def __init__(self, height: int, width: int):
        self.height = height
        self.width = width
        self.colour = np.full((height, width, 3), 60, np.uint8)
        self.alpha = np.zeros((height, width), np.uint8)
        self.labels = np.full((height, width), NOTHING, np.uint8)

    def _pixels(self, points: ArrayLike) -> np.ndarray:
        x, y = np.asarray(points, float).T * self.height
        return np.rint(np.stack([self.width / 2 + x, self.height - y], axis=1) * 16).astype(
            np.int32
        )

    def polygon(self, points: ArrayLike, albedo: ArrayLike, label: int) -> None:
        """Fill a shape; x from the middle, y from the bottom."""
        tint = tuple(encode(np.array(albedo)).tolist())
        for sheet, value in ((self.colour, tint), (self.alpha, 255), (self.labels, label)):
            cv2.fillPoly(sheet, [self._pixels(points)], value, cv2.LINE_8, 4)

    def limb(
        self, a: ArrayLike, b: ArrayLike, thick: float, albedo: ArrayLike, label: int
    ) -> None:
        """Draw a rounded bar between two places."""
        tint = tuple(encode(np.array(albedo)).tolist())
        (p, q), width = self._pixels(np.stack([a, b])), max(1, round(thick * self.height))
        for sheet, value in ((self.colour, tint), (self.alpha, 255), (self.labels, label)):
            cv2.line(sheet, p.tolist(), q.tolist(), value, width, cv2.LINE_8, 4)

    def disc(self, at: ArrayLike, rx: float, ry: float, albedo: ArrayLike, label: int) -> None:
        """Fill an ellipse."""
        self.polygon(np.asarray(at) + CIRCLE * (rx, ry), albedo, label)

    def shaded(self, rng: np.random.Generator, grain: float) -> FlatPicture:
        """Return the cut-out, lighter to the upper left, with some grain."""
        rows = np.linspace(1.08, 0.88, self.height)[:, None, None]
        columns = np.linspace(1.06, 0.92, self.width)[None, :, None]
        grains = 1 + grain * rng.normal(size=self.alpha.shape)[..., None]
        colour = np.clip(self.colour * rows * columns * grains, 0, 250).astype(np.uint8)
        # Colours reach beyond the shape, so that its rim does not darken when it shrinks.
        shape = self.alpha > 0
        blurred = cv2.GaussianBlur(colour * shape[..., None].astype(np.uint8), (0, 0), 3)
        weight = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), 3)[..., None]
        outside = np.clip(blurred / np.maximum(weight, 0.02), 0, 250).astype(np.uint8)
        colour = np.where(shape[..., None], colour, outside)
        return cutout(colour, self.alpha, self.labels)


@cache
def tree(variant: int) -> FlatPicture:
    """Return a leafy tree; variants differ in shape, hue and density."""
    rng = np.random.default_rng([21, variant])
    sheet = _Sheet(320, 256)
    trunk = (0.055, 0.042, 0.03)
    sheet.limb((0, 0), (0.01, 0.45), 0.035, trunk, VEGETATION)
    for side in (-1, 1):
        sheet.limb((0, 0.28), (0.12 * side, 0.48), 0.018, trunk, VEGETATION)
    hue = np.array(
        [
            [0.050, 0.085, 0.022],
            [0.062, 0.095, 0.030],
            [0.042, 0.075, 0.028],
            [0.085, 0.095, 0.028],
        ][variant % 4]
    )
    low, wide = rng.uniform(0.20, 0.34), rng.uniform(0.24, 0.36)
    middle = 0.5 * (low + 0.98)
    clumps = []
    for _ in range(22):
        angle, r = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 1))
        clumps.append(
            (
                wide * 0.72 * r * np.cos(angle),
                middle + 0.72 * (0.98 - middle) * r * np.sin(angle),
                rng.uniform(0.06, 0.11),
            )
        )
    leaves = []
    for x, y, r in clumps:
        for _ in range(210):
            a, q = rng.uniform(0, 2 * np.pi), np.sqrt(rng.uniform(0, 1)) * r
            dx, dy = q * np.cos(a), q * np.sin(a)
            # Each clump is lit from above left and dark below.
            bright = 0.72 + 3.2 * (dy - 0.5 * dx) + 0.5 * (y - middle) + rng.normal(0, 0.16)
            leaves.append((x + dx, y + dy, bright))
    for x, y, bright in leaves:
        sheet.disc(
            (x, y),
            rng.uniform(0.003, 0.009),
            rng.uniform(0.003, 0.007),
            hue * np.clip(bright, 0.25, 1.7),
            VEGETATION,
        )
    return sheet.shaded(rng, 0.06)


@cache
def conifer(variant: int) -> FlatPicture:
    """Return a fir."""
    rng = np.random.default_rng([22, variant])
    sheet = _Sheet(320, 160)
    sheet.limb((0, 0), (0, 0.5), 0.025, (0.05, 0.036, 0.026), VEGETATION)
    hue = np.array([0.030, 0.055, 0.026]) * rng.uniform(0.9, 1.25)
    for y in np.linspace(0.1, 0.95, 46):
        half = 0.225 * (1 - y) ** 0.85 * rng.uniform(0.75, 1.1) + 0.008
        for _ in range(46):
            x = rng.uniform(-half, half)
            bright = 0.85 - 1.6 * x + rng.normal(0, 0.2) - 0.5 * abs(x) / half
            sheet.disc(
                (x, y - 0.10 * abs(x) + rng.normal(0, 0.008)),
                0.012,
                0.006,
                hue * np.clip(bright, 0.3, 1.7),
                VEGETATION,
            )
    return sheet.shaded(rng, 0.08)


@cache
def bush(variant: int) -> FlatPicture:
    """Return a bush, wider than tall."""
    rng = np.random.default_rng([23, variant])
    sheet = _Sheet(128, 224)
    hue = np.array([0.055, 0.085, 0.026]) * rng.uniform(0.8, 1.2)
    for _ in range(1300):
        x = rng.uniform(-0.80, 0.80)
        roof = 0.92 * np.sqrt(max(1 - (x / 0.84) ** 2, 0.0)) * rng.uniform(0.85, 1.03)
        y = rng.uniform(0, 1) ** 0.7 * roof
        bright = 0.45 + 0.75 * y - 0.15 * x + rng.normal(0, 0.16)
        sheet.disc(
            (x, y),
            rng.uniform(0.012, 0.035),
            rng.uniform(0.010, 0.028),
            hue * np.clip(bright, 0.25, 1.7),
            VEGETATION,
        )
    return sheet.shaded(rng, 0.06)


@cache
def person(variant: int, step: int) -> FlatPicture:
    """Return someone walking; ``step`` 0 to 3 is the phase of the stride."""
    rng = np.random.default_rng([24, variant])
    skin, top, legs = (np.array(c[rng.integers(len(c))]) for c in (SKIN, CLOTHES, CLOTHES))
    sheet = _Sheet(224, 120)
    stride = (0.0, 0.10, 0.02, -0.10)[step]
    for side in (-1, 1):
        foot = side * stride + 0.02 * side
        shade = 1.0 if side > 0 else 0.75
        sheet.limb((0.025 * side, 0.50), (0.6 * foot, 0.26), 0.085, legs * shade, PERSON)
        sheet.limb((0.6 * foot, 0.26), (foot, 0.03), 0.065, legs * shade, PERSON)
        sheet.limb((foot, 0.02), (foot + 0.03, 0.02), 0.04, (0.02, 0.02, 0.02), PERSON)
    sheet.polygon(
        [
            (-0.095, 0.80),
            (0.095, 0.80),
            (0.085, 0.62),
            (0.09, 0.46),
            (-0.09, 0.46),
            (-0.085, 0.62),
        ],
        top,
        PERSON,
    )
    for side in (-1, 1):
        hand = (0.10 * side - 0.8 * stride * side, 0.47)
        sheet.limb((0.095 * side, 0.79), (0.115 * side, 0.62), 0.055, top * 0.85, PERSON)
        sheet.limb((0.115 * side, 0.62), hand, 0.045, top * 0.85, PERSON)
        sheet.disc(hand, 0.022, 0.026, skin, PERSON)
    sheet.limb((0, 0.80), (0, 0.86), 0.05, skin * 0.8, PERSON)
    sheet.disc((0.003, 0.915), 0.058, 0.075, skin, PERSON)
    hair = np.array([(0.02, 0.015, 0.012), (0.10, 0.06, 0.03), (0.25, 0.18, 0.09)][variant % 3])
    sheet.polygon(
        [(-0.060, 0.91), (-0.05, 0.97), (0.0, 0.995), (0.05, 0.97), (0.06, 0.93), (0.0, 0.945)],
        hair,
        PERSON,
    )
    return sheet.shaded(rng, 0.05)


@cache
def cyclist(variant: int, sideways: bool) -> FlatPicture:
    """Return a rider on a bicycle, seen from the side or from behind."""
    rng = np.random.default_rng([25, variant])
    skin, top, legs = (np.array(c[rng.integers(len(c))]) for c in (SKIN, CLOTHES, CLOTHES))
    sheet = _Sheet(224, 240 if sideways else 110)
    frame = np.array(CLOTHES[rng.integers(len(CLOTHES))]) * 1.5
    dark = (0.02, 0.02, 0.02)
    if sideways:
        angle = np.linspace(0, 2 * np.pi, 25)
        for x in (-0.30, 0.30):
            ring = np.stack([x + 0.18 * np.cos(angle), 0.19 + 0.18 * np.sin(angle)], axis=1)
            for a, b in zip(ring[:-1], ring[1:]):
                sheet.limb(a, b, 0.022, dark, BICYCLE)
        for a, b in (
            ((-0.30, 0.19), (-0.1, 0.48)),
            ((-0.1, 0.48), (0.22, 0.50)),
            ((0.22, 0.50), (0.30, 0.19)),
            ((-0.05, 0.20), (0.22, 0.48)),
            ((-0.05, 0.20), (-0.1, 0.52)),
            ((-0.30, 0.19), (-0.05, 0.20)),
            ((0.22, 0.50), (0.20, 0.57)),
        ):
            sheet.limb(a, b, 0.02, frame, BICYCLE)
        sheet.limb((-0.10, 0.56), (0.08, 0.38), 0.085, legs, RIDER)
        sheet.limb((0.08, 0.38), (-0.02, 0.14), 0.06, legs, RIDER)
        sheet.limb((-0.09, 0.58), (0.06, 0.82), 0.13, top, RIDER)
        sheet.limb((0.06, 0.80), (0.20, 0.60), 0.05, top * 0.8, RIDER)
        sheet.disc((0.10, 0.93), 0.055, 0.068, skin, RIDER)
        sheet.disc((0.09, 0.955), 0.06, 0.045, top * 0.5 + 0.05, RIDER)
    else:
        sheet.limb((0, 0.02), (0, 0.38), 0.03, dark, BICYCLE)
        sheet.limb((-0.15, 0.58), (0.15, 0.58), 0.02, frame, BICYCLE)
        for side in (-1, 1):
            sheet.limb((0.06 * side, 0.50), (0.08 * side, 0.30), 0.08, legs, RIDER)
            sheet.limb((0.08 * side, 0.30), (0.06 * side, 0.10 + 0.03 * side), 0.055, legs, RIDER)
            sheet.limb((0.10 * side, 0.78), (0.15 * side, 0.60), 0.05, top * 0.85, RIDER)
        sheet.polygon([(-0.11, 0.80), (0.11, 0.80), (0.09, 0.48), (-0.09, 0.48)], top, RIDER)
        sheet.disc((0, 0.92), 0.056, 0.07, skin, RIDER)
        sheet.disc((0, 0.95), 0.06, 0.048, top * 0.5 + 0.05, RIDER)
    return sheet.shaded(rng, 0.05)


@cache
def plate(kind: str) -> FlatPicture:
    """Return a sign's plate: ``limit``, ``warning``, ``give_way``, ``guide`` or ``delineator``."""
    rng = np.random.default_rng(26)
    white, red, black = (0.75, 0.75, 0.73), (0.52, 0.02, 0.02), (0.015, 0.015, 0.015)
    if kind == 'guide':
        sheet = _Sheet(128, 256)
        blue = (0.01, 0.05, 0.28)
        sheet.polygon([(-1, 0), (1, 0), (1, 1), (-1, 1)], white, SIGN)
        sheet.polygon([(-0.97, 0.03), (0.97, 0.03), (0.97, 0.97), (-0.97, 0.97)], blue, SIGN)
        for y, end in ((0.72, 0.35), (0.45, 0.55), (0.18, 0.1)):
            for x in np.arange(-0.8, end, 0.115):
                sheet.limb((x, y), (x + 0.055, y), 0.11 * rng.uniform(0.8, 1.2), white, SIGN)
        sheet.limb((0.75, 0.2), (0.75, 0.75), 0.06, white, SIGN)
        return sheet.shaded(rng, 0.01)
    sheet = _Sheet(96, 96)
    if kind == 'limit':
        sheet.disc((0, 0.5), 0.49, 0.49, red, SIGN)
        sheet.disc((0, 0.5), 0.37, 0.37, white, SIGN)
        for x in (-0.14, 0.12):
            sheet.disc((x, 0.5), 0.11, 0.17, black, SIGN)
            sheet.disc((x, 0.5), 0.05, 0.11, white, SIGN)
    elif kind == 'warning':
        sheet.polygon([(-0.5, 0.06), (0.5, 0.06), (0.0, 0.94)], red, SIGN)
        sheet.polygon([(-0.34, 0.15), (0.34, 0.15), (0.0, 0.75)], white, SIGN)
        sheet.limb((0.0, 0.24), (0.0, 0.50), 0.09, black, SIGN)
    elif kind == 'give_way':
        sheet.polygon([(-0.5, 0.94), (0.5, 0.94), (0.0, 0.06)], red, SIGN)
        sheet.polygon([(-0.34, 0.85), (0.34, 0.85), (0.0, 0.25)], white, SIGN)
    else:
        sheet.polygon([(-0.5, 0), (0.5, 0), (0.5, 1), (-0.5, 1)], white, SIGN)
        sheet.polygon([(-0.5, 0.6), (0.5, 0.6), (0.5, 0.85), (-0.5, 0.85)], black, SIGN)
    return sheet.shaded(rng, 0.01)
