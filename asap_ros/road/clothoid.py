"""A road as a clothoid in arc length: its centre, its edges, and their exact derivatives.

The centre starts at (0, c0) of base_link with heading psi and bends with the curvature
k0 + k1 s, so theta(s) = psi + k0 s + k1 s^2 / 2 and the centre is
(integral of cos theta, c0 + integral of sin theta). Metres, radians, 1/m, 1/m^2; k > 0 turns
left. The edges lie w/2 to either side along the normal (-sin theta, cos theta).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

C0, PSI, K0, K1, WIDTH, PITCH, CREST = range(7)
"""Order of the parameters wherever a vector of six or a 6x6 covariance is passed; within the
fit the vertical curvature of the ground follows them."""

_NODES, _WEIGHTS = (0.5 * a[:, None] for a in np.polynomial.legendre.leggauss(6))
_NODES = _NODES + 0.5
_TURNS = np.array([[1.0], [1.0], [0.5]])
_MOMENTS = (_WEIGHTS * _NODES ** np.arange(3)).T


@dataclass(frozen=True, eq=False)
class Curve:
    """Points at arc length s: all arrays (n,); ``heading`` in radians.

    ``d_x`` and ``d_y`` are (5, n): derivatives by c0, psi, k0, k1 and w, at constant s.
    ``s_x`` and ``s_y`` are derivatives by s.
    """

    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    d_x: np.ndarray
    d_y: np.ndarray
    s_x: np.ndarray
    s_y: np.ndarray


def evaluate(parameters: np.ndarray, s: np.ndarray, side: float | np.ndarray = 0.0) -> Curve:
    """Return points of the curve that runs side * w/2 to the left of the centre.

    ``parameters`` (5 or more) as C0 to WIDTH; ``s`` (n,) metres, may be negative; ``side``
    a number or (n,): +1 the left edge, -1 the right one, 0 the centre. Six-point Gauss
    quadrature over [0, s]: exact to 1e-9 m while the heading turns by less than a radian.
    """
    c0, psi, k0, k1, width = parameters[:5]
    # The plane is that of complex numbers, x + iy: a direction is exp(i theta).
    t = s * _NODES
    theta = psi + t * (k0 + 0.5 * k1 * t)
    heading = psi + s * (k0 + 0.5 * k1 * s)
    powers = np.stack([np.ones_like(s), s, s * s])
    # Integrals of (1, s, s^2) times the direction, (3, n).
    integrals = (_MOMENTS @ _direction(theta).view(float)).view(complex) * (s * powers)
    forward = _direction(heading)
    half = 0.5 * width * side
    place = 1j * c0 + integrals[0] + 1j * half * forward
    d = np.empty((5, len(s)), complex)
    d[C0] = 1j
    d[PSI:WIDTH] = _TURNS * (1j * integrals - half * forward * powers)
    d[WIDTH] = 0.5j * side * forward
    by_s = forward * (1 - half * (k0 + k1 * s))
    return Curve(
        x=place.real,
        y=place.imag,
        heading=heading,
        d_x=d.real,
        d_y=d.imag,
        s_x=by_s.real,
        s_y=by_s.imag,
    )


def _direction(theta: np.ndarray) -> np.ndarray:
    """Return exp(i theta), by which numpy would compute it at twice the cost."""
    unit = np.empty(theta.shape, complex)
    np.cos(theta, out=unit.real)
    np.sin(theta, out=unit.imag)
    return unit


def curvature(parameters: np.ndarray, s: float | np.ndarray) -> np.ndarray:
    """Return the centre's curvature at arc length s, 1/m, positive to the left."""
    return parameters[K0] + parameters[K1] * np.asarray(s, float)


def curvature_sigma(covariance: np.ndarray, s: float | np.ndarray) -> np.ndarray:
    """Return the sigma of ``curvature`` at s for the covariance (6, 6) of the parameters."""
    s = np.asarray(s, float)
    variance = covariance[K0, K0] + 2 * s * covariance[K0, K1] + s * s * covariance[K1, K1]
    return np.sqrt(np.maximum(variance, 0.0))


def parallel_curvature(curvature_of_centre: float, offset: float) -> float:
    """Return the curvature of the curve that runs ``offset`` metres to the left of a centre."""
    return curvature_of_centre / (1 - curvature_of_centre * offset)


def closest_point(parameters: np.ndarray) -> tuple[float, float]:
    """Return the arc length at which the centre passes the origin, and the origin's offset.

    The offset is the origin's distance to the left of the centre, metres.
    """
    s = np.zeros(1)
    for _ in range(4):
        curve = evaluate(parameters, s)
        s = s - (curve.x * np.cos(curve.heading) + curve.y * np.sin(curve.heading))
    curve = evaluate(parameters, s)
    offset = curve.x * np.sin(curve.heading) - curve.y * np.cos(curve.heading)
    return float(s[0]), float(offset[0])
