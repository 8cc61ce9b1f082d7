"""Where the ground's pixels are on the road: road coordinates, edges and junctions."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from asap_simulation.camera_view import GroundView
from asap_simulation.road_layout import Junction, RoadLayout

AROUND = (60.0, 420.0)
"""Metres of road behind and ahead of the vehicle that are looked for on the ground."""

BEYOND = 1e3
"""Distance from the road, metres, of ground for which none was found."""

ORIGINS = 512.0
"""Metres between the places that textures are laid out from, a multiple of each one's size."""


@dataclass(frozen=True, eq=False)
class RoadField:
    """Road coordinates of the ground, float32 (rows, W), rows as those of the ``GroundView``.

    ``s``, ``d``; ``edge`` metres from the nearest road edge, negative on the
    road; ``pixel`` metres of change of ``edge`` from pixel to pixel, at least a millimetre;
    ``x``, ``y`` in the world less a multiple of ORIGINS.
    """

    s: np.ndarray
    d: np.ndarray
    edge: np.ndarray
    pixel: np.ndarray
    x: np.ndarray
    y: np.ndarray


def road_field(ground: GroundView, layout: RoadLayout, vehicle_s: float) -> RoadField:
    """Return where the ground's pixels are on the road."""
    line = layout.line
    first, last = vehicle_s - AROUND[0], vehicle_s + AROUND[1]
    s, d = line.nearest(ground.x, ground.y, first, last)
    half = 0.5 * line.width(s)
    # A distance changes no faster than the place; where it does, the nearest points of two knots
    # lie on different sides of a bend, and between them there is no road.
    gap = 1.2 * np.hypot(np.diff(ground.x), np.diff(ground.y)) + 0.5
    torn = np.abs(np.diff(d)) > gap
    lost = np.pad(torn, ((0, 0), (1, 0))) | np.pad(torn, ((0, 0), (0, 1)))
    lost = (lost & (np.abs(d) > half)) | (s <= first + 1) | (s >= last - 1)
    half = np.where(lost, -BEYOND, half)
    along, across = ground.spread(s - vehicle_s) + np.float32(vehicle_s), ground.spread(d)
    edge = np.abs(across) - ground.spread(half)
    for junction in layout.junctions:
        if first < junction.s < last:
            open_to(junction, along, edge)
    origin = ORIGINS * np.round(ground.view.position[:2] / ORIGINS)
    return RoadField(
        s=along,
        d=across,
        edge=edge,
        pixel=_change(edge),
        x=ground.spread(ground.x - origin[0]),
        y=ground.spread(ground.y - origin[1]),
    )


def open_to(junction: Junction, s: np.ndarray, edge: np.ndarray) -> None:
    """Open the road, by its ``edge`` distances (rows, W) in place, to a street that crosses it.

    The corners are rounded by ``junction.radius``. The road must be straight there.
    """
    other = np.abs(s - np.float32(junction.s)) - np.float32(0.5 * junction.width)
    near = (other < edge) | ((other < junction.radius) & (edge < junction.radius))
    near &= (edge < BEYOND / 2) & (other < 60)
    e, o = edge[near], other[near]
    radius = np.float32(junction.radius)
    corner = radius - np.hypot(radius - e, radius - o)
    rounded = (e > 0) & (o > 0) & (e < radius) & (o < radius)
    edge[near] = np.where(rounded, corner, np.minimum(e, o))


def _change(field: np.ndarray) -> np.ndarray:
    """Return how much a field changes from pixel to pixel, at least a millimetre."""
    across = np.empty_like(field)
    across[:, 1:] = np.abs(field[:, 1:] - field[:, :-1])
    across[:, 0] = across[:, 1]
    down = np.empty_like(field)
    down[1:] = np.abs(field[1:] - field[:-1])
    down[0] = down[1]
    return np.clip(cv2.add(across, down), 1e-3, 5.0)
