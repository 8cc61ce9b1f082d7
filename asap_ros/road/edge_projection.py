"""What a camera sees of a road's edges, and how that changes with the road: pixels to fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.road import clothoid
from asap_ros.road.clothoid import CREST, PITCH
from asap_ros.road.edge_detection import FIXED, LEFT, RIGHT, Edges
from asap_ros.road.pose import rotation_y
from asap_ros.road.projection import Camera

MAX_HEADING = 1.2
"""Radians against the vehicle: beyond, a row of pixels no longer crosses the road once."""


@dataclass(frozen=True, eq=False)
class EdgePixels:
    """Edge pixels to fit: ``u``, ``v``, ``side`` (+1 left, -1 right), (n,), nearest first."""

    u: np.ndarray
    v: np.ndarray
    side: np.ndarray


def edge_points(edges: Edges) -> EdgePixels:
    """Return the edge pixels with something fixed beyond them, left ones first."""
    left, right = edges.left_kind == FIXED, edges.right_kind == FIXED
    return EdgePixels(
        u=np.concatenate([edges.left_u[left], edges.right_u[right]]),
        v=np.concatenate([edges.v[left], edges.v[right]]),
        side=np.concatenate(
            [np.full(left.sum(), float(LEFT)), np.full(right.sum(), float(RIGHT))]
        ),
    )


def project_edge(
    camera: Camera, parameters: np.ndarray, s: np.ndarray, side: float | np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return u, v, their derivatives by the seven parameters (7, n) and by s, and usability.

    ``parameters`` are the clothoid's six and the ground's crest, by which the ground falls away
    as crest s^2 / 2. The pitch turns the camera where it is, on top of its pose.
    """
    curve = clothoid.evaluate(parameters, s, side)
    c, n = np.cos(parameters[PITCH]), np.sin(parameters[PITCH])
    dx, dy = curve.x - camera.translation[0], curve.y - camera.translation[1]
    dz = -camera.translation[2] - 0.5 * parameters[CREST] * s * s
    # From base_link by Ry(pitch) transposed into the camera's body, then into its optical frame.
    turn = camera.rotation.T @ rotation_y(parameters[PITCH]).T
    optical = turn @ np.stack([dx, dy, dz])
    optical_pitch = camera.rotation.T @ np.stack(
        [-n * dx - c * dz, np.zeros_like(dy), c * dx - n * dz]
    )
    depth = np.maximum(optical[2], 0.1)
    fx, fy = camera.fx / depth, camera.fy / depth
    u, v = fx * optical[0], fy * optical[1]
    # Derivatives of u and v by the point's x, y and z.
    by_u = fx * turn[0, :, None] - u / depth * turn[2, :, None]
    by_v = fy * turn[1, :, None] - v / depth * turn[2, :, None]
    by_s = np.stack([curve.s_x, curve.s_y, -parameters[CREST] * s])
    d_u, d_v = np.empty((7, len(s))), np.empty((7, len(s)))
    for d, by, f, row, w in ((d_u, by_u, fx, 0, u), (d_v, by_v, fy, 1, v)):
        d[:PITCH] = by[0] * curve.d_x + by[1] * curve.d_y
        d[PITCH] = f * optical_pitch[row] - w / depth * optical_pitch[2]
        d[CREST] = -0.5 * s * s * by[2]
    s_u, s_v = (by_u * by_s).sum(axis=0), (by_v * by_s).sum(axis=0)
    usable = (optical[2] > 0.1) & (np.abs(curve.heading) < MAX_HEADING) & (s_v < -1e-3)
    return u + camera.cx, v + camera.cy, d_u, d_v, s_u, s_v, usable


def linearise(
    camera: Camera, points: EdgePixels, parameters: np.ndarray, s: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Return residual, Jacobian, slope, which points are usable, and how s will have to move.

    The curve meets a point's row v at some arc length near s. Residual (n,) and Jacobian (7, n)
    are those of u at constant v; ``slope`` (n,) is du/dv of the edge. The row is met at
    s + shift + step @ along after a step of the parameters, shift (n,), along (7, n).
    """
    u, v, d_u, d_v, s_u, s_v, usable = project_edge(camera, parameters, s, points.side)
    s_v = np.where(usable, s_v, -1.0)
    slope, off = s_u / s_v, points.v - v
    residual = points.u - (u + slope * off)
    jacobian = d_u - slope * d_v
    usable &= np.isfinite(residual) & np.isfinite(jacobian.sum(axis=0))
    if not usable.all():
        residual = np.where(usable, residual, 0.0)
        jacobian = np.where(usable, jacobian, 0.0)
    inverse = usable / s_v
    return residual, jacobian, slope, usable, off * inverse, -d_v * inverse
