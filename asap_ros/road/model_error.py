"""What a road's numbers owe to what is taken for granted: one clothoid, and the camera's height.

A fit's covariance says what noisy pixels leave open if the road is the model. Roads are chains of
straights, arcs and spirals, of which more than one may be in view, and a vehicle heaves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asap_ros.road import clothoid
from asap_ros.road.camera import Camera
from asap_ros.road.clothoid import C0, K0, K1, PITCH, WIDTH
from asap_ros.road.fit import Fit, Prior
from asap_ros.road.options import RoadOptions

SPIRAL = 50.0
"""Metres in which a road takes up the curvature of a bend: its spirals are 40 to 70 long."""

KINKS = (10.0, 20.0, 30.0)
"""Metres ahead at which a spiral may begin or end: one of them, anywhere in view."""


@dataclass(frozen=True, eq=False)
class Doubt:
    """A departure of the road from the model by one sigma, and what the model makes of it.

    The model's parameters (6,) are wrong by ``shift``, while the road bends by ``slope``
    (s - ``start``) more than they say from ``start`` (metres) on; ``slope`` in 1/m^2.
    """

    shift: np.ndarray
    start: float = 0.0
    slope: float = 0.0


def doubts(parameters: np.ndarray, camera: Camera, options: RoadOptions, fit: Fit | None,
           prior: Prior) -> tuple[Doubt, ...]:
    """Return the departures to be reckoned with of a road with these ``parameters`` (6,).

    ``fit`` is the frame's, whose pixels say how the parameters follow; None where there is none.
    """
    unit = options.height_sigma / camera.translation[2]
    scaled = np.zeros(len(parameters))
    # All lengths on the ground are in proportion to the height, bends in inverse proportion.
    scaled[C0] = unit * (parameters[C0] - camera.translation[1])
    scaled[[K0, K1]] = -unit * parameters[K0], -2 * unit * parameters[K1]
    scaled[WIDTH] = unit * parameters[WIDTH]
    height = Doubt(scaled)
    return (height,) if fit is None else (height, *_kinks(parameters, fit, prior))


def _kinks(parameters: np.ndarray, fit: Fit, prior: Prior) -> list[Doubt]:
    """Return the departures of a road on which a spiral begins or ends in view."""
    used = fit.weight > 0
    jacobian, s = fit.jacobian[used, :PITCH + 1], fit.s[used]
    reach = np.linspace(0.0, s.max(initial=0.0), 8)
    bend = float(np.abs(clothoid.curvature(parameters, reach)).max())
    slope = bend / SPIRAL / np.sqrt(len(KINKS))
    aside = np.stack([_aside(s, start) for start in KINKS], axis=1)
    normal = (jacobian.T @ jacobian) / fit.sigma ** 2 + np.diag(prior.sigma ** -2.0)
    gradient = jacobian.T @ (jacobian[:, [C0]] * aside) / fit.sigma ** 2
    unit = 1 / np.sqrt(np.diag(normal))
    shift = unit[:, None] * np.linalg.solve(normal * np.outer(unit, unit),
                                            gradient * unit[:, None])
    return [Doubt(slope * shift[:, i], start, slope) for i, start in enumerate(KINKS)]


def _aside(s: np.ndarray, start: float) -> np.ndarray:
    """Return how far a road that bends by s - start more from ``start`` on gets to the left."""
    return np.maximum(s - start, 0.0) ** 3 / 6


def scaled(departures: tuple[Doubt, ...], scale: np.ndarray) -> tuple[Doubt, ...]:
    """Return departures of parameters that are ``scale`` (6,) times as large."""
    return tuple(replace(d, shift=scale * d.shift) for d in departures)


def covariance(departures: tuple[Doubt, ...]) -> np.ndarray:
    """Return what departures add to the parameters' covariance, (6, 6)."""
    return sum(np.outer(d.shift, d.shift) for d in departures)


def curvature_variance(departures: tuple[Doubt, ...], s: np.ndarray) -> np.ndarray:
    """Return what departures add to the variance of the curvature at arc lengths s, (n,)."""
    return sum(np.square(d.shift[K0] + d.shift[K1] * s - d.slope * np.maximum(s - d.start, 0.0))
               for d in departures)


def lateral_variance(departures: tuple[Doubt, ...], across: np.ndarray,
                     s: np.ndarray) -> np.ndarray:
    """Return what departures add to the variance across the curve at arc lengths s, (n,).

    ``across`` (5, n): the curve's derivatives across itself by C0 to WIDTH.
    """
    return sum(np.square(d.shift[:len(across)] @ across - d.slope * _aside(s, d.start))
               for d in departures)
