"""A corridor as lines on the ground: centre, edges, and the bands within which these may lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.road.geometry import ReferenceCurve, RoadGeometry

NORMAL_95 = 1.96
"""Sigmas to either side that hold 95 % of a normal distribution."""


@dataclass(frozen=True, eq=False)
class OutlineLine:
    """A line (n, 2) of x and y in base_link, metres, and what may be its place.

    ``first`` and ``second`` (n, 2) are the bounds of its 95 % band, to the left and to the
    right.
    """

    points: np.ndarray
    first: np.ndarray
    second: np.ndarray


@dataclass(frozen=True, eq=False)
class Outline:
    """The lines of a corridor; ``edges``, left and right, None where its middle is not known."""

    centre: OutlineLine
    edges: tuple[OutlineLine, OutlineLine] | None


def outline(geometry: RoadGeometry) -> Outline | None:
    """Return the lines of a corridor over its view, None where it is invalid.

    The edges are half a width from the reference where that is the middle between them.
    """
    if not geometry.valid:
        return None
    x, y, heading = geometry.path.T
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=1)
    middle = np.stack([x, y], axis=1)
    across = NORMAL_95 * geometry.lateral_at_s_sigma
    centre = _line(middle, normal, across)
    if geometry.reference != ReferenceCurve.ROAD_CENTRE:
        return Outline(centre, None)
    half = 0.5 * geometry.width * normal
    either = np.hypot(across, 0.5 * NORMAL_95 * geometry.width_sigma)
    left, right = (_line(middle + side * half, normal, either) for side in (1, -1))
    return Outline(centre, (left, right))


def _line(points: np.ndarray, normal: np.ndarray, reach: np.ndarray) -> OutlineLine:
    away = normal * reach[:, None]
    return OutlineLine(points, points + away, points - away)
