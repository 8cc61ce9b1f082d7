"""What a camera sees of a road's edges, and how that changes with the road: pixels to fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asap_ros.road import clothoid
from asap_ros.road.camera import Camera, rotation_y
from asap_ros.road.clothoid import CREST, PITCH
from asap_ros.road.edges import FIXED, LEFT, RIGHT, Edges

MAX_HEADING = 1.2
"""Radians against the vehicle: beyond, a row of pixels no longer crosses the road once."""


@dataclass(frozen=True, eq=False)
class Points:
    """Edge pixels to fit: ``u``, ``v``, ``side`` (+1 left, -1 right), (n,), nearest first."""

    u: np.ndarray
    v: np.ndarray
    side: np.ndarray


def edge_points(edges: Edges) -> Points:
    """Return the edge pixels with something fixed beyond them, left ones first."""
    left, right = edges.left_kind == FIXED, edges.right_kind == FIXED
    return Points(u=np.concatenate([edges.left_u[left], edges.right_u[right]]),
                  v=np.concatenate([edges.v[left], edges.v[right]]),
                  side=np.concatenate([np.full(left.sum(), float(LEFT)),
                                       np.full(right.sum(), float(RIGHT))]))


def project_edge(camera: Camera, parameters: np.ndarray, s: np.ndarray, side) -> tuple:
    """Return u, v, their derivatives by the seven parameters (n, 7) and by s, and usability.

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
        [-n * dx - c * dz, np.zeros_like(dy), c * dx - n * dz])
    depth = np.maximum(optical[2], 0.1)
    fx, fy = camera.fx / depth, camera.fy / depth
    u, v = fx * optical[0], fy * optical[1]
    # Derivatives of u and v by the point's x, y and z.
    by_u = [fx * turn[0, i] - u / depth * turn[2, i] for i in range(3)]
    by_v = [fy * turn[1, i] - v / depth * turn[2, i] for i in range(3)]
    d_u, d_v = np.empty((len(s), 7)), np.empty((len(s), 7))
    d_u[:, :PITCH] = by_u[0][:, None] * curve.d_x + by_u[1][:, None] * curve.d_y
    d_v[:, :PITCH] = by_v[0][:, None] * curve.d_x + by_v[1][:, None] * curve.d_y
    d_u[:, PITCH] = fx * optical_pitch[0] - u / depth * optical_pitch[2]
    d_v[:, PITCH] = fy * optical_pitch[1] - v / depth * optical_pitch[2]
    d_u[:, CREST], d_v[:, CREST] = -0.5 * s * s * by_u[2], -0.5 * s * s * by_v[2]
    fall = -parameters[CREST] * s
    s_u = by_u[0] * curve.s_x + by_u[1] * curve.s_y + by_u[2] * fall
    s_v = by_v[0] * curve.s_x + by_v[1] * curve.s_y + by_v[2] * fall
    usable = (optical[2] > 0.1) & (np.abs(curve.heading) < MAX_HEADING) & (s_v < -1e-3)
    return u + camera.cx, v + camera.cy, d_u, d_v, s_u, s_v, usable


def linearise(camera: Camera, points: Points, parameters: np.ndarray, s: np.ndarray) -> tuple:
    """Return residual, Jacobian, slope, which points are usable, and how s will have to move.

    The curve meets a point's row v at some arc length near s. Residual (n,) and Jacobian (n, 7)
    are those of u at constant v; ``slope`` (n,) is du/dv of the edge. The row is met at
    s + shift + along @ step after a step of the parameters, shift (n,), along (n, 7).
    """
    u, v, d_u, d_v, s_u, s_v, usable = project_edge(camera, parameters, s, points.side)
    s_v = np.where(usable, s_v, -1.0)
    slope, off = s_u / s_v, points.v - v
    residual = points.u - (u + slope * off)
    jacobian = d_u - slope[:, None] * d_v
    usable &= np.isfinite(residual) & np.isfinite(jacobian).all(axis=1)
    residual = np.where(usable, residual, 0.0)
    jacobian = np.where(usable[:, None], jacobian, 0.0)
    shift, along = np.where(usable, off / s_v, 0.0), d_v * np.where(usable, -1 / s_v, 0.0)[:, None]
    return residual, jacobian, slope, usable, shift, along
