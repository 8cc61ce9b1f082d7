"""Vehicles, buildings and posts as polygons with the colours of their faces.

Local frame: x forward, y left, z up, the origin on the ground below the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from asap_simulation.light import Colour

CAR, TRUCK, BUS = 13, 14, 15
"""Cityscapes train ids of vehicles."""

RUBBER = (0.018, 0.018, 0.02)
GLASS = (0.035, 0.045, 0.055)
SHADOW = (0.008, 0.008, 0.009)
CHROME = (0.5, 0.5, 0.5)
TAIL, HEAD = (0.35, 0.012, 0.01), (0.75, 0.75, 0.7)


@dataclass(frozen=True, eq=False)
class Face:
    """A convex polygon (n, 3), counter-clockwise as seen from outside.

    ``albedo`` linear RGB, None for the body's paint; ``shine`` is the share of the sky that it
    mirrors; ``detail`` faces are left out from far away.
    """

    points: np.ndarray
    albedo: Colour | None
    shine: float = 0.0
    detail: bool = False

    @cached_property
    def normal(self) -> np.ndarray:
        """The unit normal (3,), outward; the mean one where the polygon is not quite flat."""
        following = np.roll(self.points, -1, axis=0)
        area = np.cross(self.points, following).sum(axis=0)
        return area / np.linalg.norm(area)


@dataclass(frozen=True, eq=False)
class Body:
    """Faces in the order in which they are drawn, outline (length, width, height) in metres.

    ``tails`` and ``heads`` (n, 3): where its lamps are.
    """

    faces: tuple[Face, ...]
    size: tuple[float, float, float]
    label: int
    tails: np.ndarray
    heads: np.ndarray


def _loft(
    profile: Sequence[tuple[float, float]],
    half_at: Callable[[float], float],
    albedo: Colour | None,
    shine: float = 0.0,
    panes: tuple[int, ...] = (),
) -> list[Face]:
    """Return the faces of a side view (x, z), clockwise, given a width that depends on z.

    ``panes``: numbers of the edges (from point i to i + 1) that are glass.
    """
    x, z = np.array(profile, float).T
    left = np.stack([x, [half_at(height) for height in z], z], axis=1)
    right = left * (1, -1, 1)
    # From the left a side view with x to the left in sight runs clockwise in x and z.
    faces = [Face(left, albedo, shine), Face(right[::-1], albedo, shine)]
    for i in range(len(profile)):
        j = (i + 1) % len(profile)
        quad = np.stack([right[i], right[j], left[j], left[i]])
        pane = i in panes
        faces.append(Face(quad, GLASS if pane else albedo, 0.45 if pane else shine))
    return faces


def _wheels(places: Sequence[float], radius: float, half: float) -> list[Face]:
    angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    faces = []
    for x in places:
        # The arch, the tyre, the rim.
        for size, albedo, detail in (
            (1.2, SHADOW, True),
            (1.0, RUBBER, False),
            (0.58, (0.16, 0.16, 0.17), True),
        ):
            ring = np.stack(
                [
                    x + size * radius * np.cos(angle),
                    np.full(14, half + 0.01),
                    np.maximum(radius + size * radius * np.sin(angle), 0),
                ],
                axis=1,
            )
            faces += [
                Face(ring[::-1], albedo, detail=detail),
                Face(ring * (1, -1, 1), albedo, detail=detail),
            ]
    return faces


def _plate(
    x: float,
    y: float,
    z: float,
    wide: float,
    tall: float,
    albedo: Colour | None,
    detail: bool = True,
) -> Face:
    """Return an upright plate across the body that faces away from its middle."""
    sign = 1 if x > 0 else -1
    y0, y1 = (y - 0.5 * wide, y + 0.5 * wide) if x > 0 else (y + 0.5 * wide, y - 0.5 * wide)
    x += 0.01 * sign
    return Face(
        np.array([[x, y0, z], [x, y1, z], [x, y1, z + tall], [x, y0, z + tall]]),
        albedo,
        detail=detail,
    )


def _panel(
    x0: float, x1: float, z0: float, z1: float, y: float, albedo: Colour | None
) -> list[Face]:
    """Return an upright oblong on both sides of a body, y metres from its middle."""
    left = np.array([(x0, y, z0), (x0, y, z1), (x1, y, z1), (x1, y, z0)])
    return [Face(left, albedo, detail=True), Face((left * (1, -1, 1))[::-1], albedo, detail=True)]


def _skirt(length: float, width: float, height: float) -> list[Face]:
    """Return the dark space below a body."""
    return _loft(
        [(-length / 2, 0.0), (-length / 2, height), (length / 2, height), (length / 2, 0.0)],
        lambda z: 0.5 * width,
        SHADOW,
    )


@cache
def car(estate: bool = False) -> Body:
    """Return a saloon or an estate car."""
    half = 0.88
    body = [
        (-2.1, 0.24),
        (-2.18, 0.55),
        (-2.12, 0.92),
        (-1.75, 0.98),
        (0.95, 0.95),
        (1.85, 0.80),
        (2.16, 0.62),
        (2.18, 0.24),
    ]
    rear = (-2.05, -1.75) if estate else (-1.75, -1.15)
    cabin = [(rear[0], 0.95), (rear[1], 1.40), (-0.2, 1.47), (0.25, 1.42), (1.08, 0.94)]

    def taper(z: float) -> float:
        return half - 0.24 * max(z - 0.95, 0) / 0.5

    faces = _skirt(3.9, 1.62, 0.3)
    faces += _loft(body, lambda z: half - (0.05 if z > 0.9 else 0.0), None, 0.10)
    faces += _loft(cabin, taper, None, 0.10, panes=(0, 3))
    window = np.array([(rear[0] + 0.28, 0.99), (rear[1] + 0.10, 1.34), (0.18, 1.35), (0.86, 0.99)])
    left = np.stack([window[:, 0], [taper(z) + 0.012 for z in window[:, 1]], window[:, 1]], axis=1)
    faces += [Face(left, GLASS, 0.35), Face((left * (1, -1, 1))[::-1], GLASS, 0.35)]
    # Sills, seams of the doors and handles, by which one tells metal from a wall.
    for x0, x1, z0, z1, dark in (
        (-2.1, 2.1, 0.24, 0.36, 0.03),
        (-0.47, -0.44, 0.36, 0.94, 0.06),
        (0.72, 0.75, 0.36, 0.92, 0.06),
        (-1.30, -1.27, 0.55, 0.94, 0.06),
        (-0.70, -0.52, 0.80, 0.84, 0.10),
        (0.46, 0.64, 0.80, 0.84, 0.10),
    ):
        faces += _panel(x0, x1, z0, z1, half + 0.006, (dark, dark, dark))
    faces += _panel(0.74, 0.94, 0.97, 1.10, half + 0.08, None)  # mirrors
    faces += _wheels((-1.32, 1.34), 0.32, half)
    for side in (-1, 1):
        faces += [
            _plate(-2.16, 0.66 * side, 0.62, 0.36, 0.20, TAIL, False),
            _plate(2.17, 0.62 * side, 0.56, 0.40, 0.15, HEAD),
        ]
    faces += [
        _plate(-2.17, 0.0, 0.42, 0.5, 0.11, (0.6, 0.6, 0.5)),
        _plate(2.18, 0.0, 0.34, 1.0, 0.16, (0.03, 0.03, 0.03)),
        _plate(-2.17, 0.0, 0.56, 1.5, 0.02, (0.03, 0.03, 0.03)),
        _plate(-2.12, 0.0, 0.24, 1.6, 0.16, (0.02, 0.02, 0.02)),
    ]
    return Body(
        tuple(faces),
        (4.36, 1.76, 1.47),
        CAR,
        np.array([[-2.2, -0.66, 0.72], [-2.2, 0.66, 0.72]]),
        np.array([[2.2, -0.62, 0.63], [2.2, 0.62, 0.63]]),
    )


@cache
def truck() -> Body:
    """Return a lorry: a cab before a tall box."""
    faces = _skirt(8.2, 2.2, 1.0)
    faces += _loft(
        [(2.9, 0.45), (2.9, 2.2), (3.1, 2.85), (4.0, 2.85), (4.35, 1.75), (4.4, 0.45)],
        lambda z: 1.2,
        (0.30, 0.05, 0.04),
        0.06,
        panes=(3,),
    )
    faces += _loft([(-4.3, 0.95), (-4.3, 3.6), (2.7, 3.6), (2.7, 0.95)], lambda z: 1.25, None)
    faces += _wheels((-3.3, -2.2, 3.4), 0.5, 1.2)
    for side in (-1, 1):
        faces += [
            _plate(-4.3, 1.0 * side, 0.98, 0.35, 0.18, TAIL, False),
            _plate(4.4, 0.9 * side, 0.7, 0.35, 0.2, HEAD),
            _plate(-4.3, 0.6 * side, 1.1, 0.02, 2.4, (0.1, 0.1, 0.1)),
        ]
    faces.append(_plate(-4.3, 0.0, 0.55, 2.2, 0.14, (0.5, 0.06, 0.05)))
    return Body(
        tuple(faces),
        (8.7, 2.5, 3.6),
        TRUCK,
        np.array([[-4.35, -1.0, 1.05], [-4.35, 1.0, 1.05]]),
        np.array([[4.45, -0.9, 0.8], [4.45, 0.9, 0.8]]),
    )


@cache
def bus() -> Body:
    """Return a city bus."""
    faces = _skirt(10.8, 2.3, 0.5)
    faces += _loft(
        [(-5.6, 0.35), (-5.6, 3.0), (5.5, 3.0), (5.7, 1.3), (5.7, 0.35)],
        lambda z: 1.25,
        None,
        0.06,
        panes=(2,),
    )
    for k in range(6):
        x = -5.2 + 1.72 * k
        pane = np.array(
            [(x, 1.26, 1.35), (x, 1.26, 2.6), (x + 1.55, 1.26, 2.6), (x + 1.55, 1.26, 1.35)]
        )
        faces += [Face(pane, GLASS, 0.35), Face((pane * (1, -1, 1))[::-1], GLASS, 0.35)]
    faces += _wheels((-3.4, 3.4), 0.5, 1.25)
    faces.append(_plate(-5.6, 0.0, 1.7, 2.0, 0.9, GLASS, False))
    for side in (-1, 1):
        faces += [
            _plate(-5.6, 1.05 * side, 0.8, 0.25, 0.5, TAIL, False),
            _plate(5.7, 0.95 * side, 0.6, 0.35, 0.2, HEAD),
        ]
    return Body(
        tuple(faces),
        (11.3, 2.5, 3.0),
        BUS,
        np.array([[-5.65, -1.05, 1.0], [-5.65, 1.05, 1.0]]),
        np.array([[5.75, -0.95, 0.7], [5.75, 0.95, 0.7]]),
    )
