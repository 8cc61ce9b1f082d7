"""What a road's numbers owe to what is taken for granted.

A fit's covariance says what noisy pixels leave open if the road is the model. Roads are chains of
straights, arcs and spirals, of which more than one may be in view; a vehicle heaves; and labels
err alike along a whole edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asap_ros.road import clothoid
from asap_ros.road.camera import Camera
from asap_ros.road.clothoid import C0, K0, K1, PITCH, WIDTH
from asap_ros.road.edges import LEFT, RIGHT
from asap_ros.road.fit import SIGMA_FLOOR, Fit, Prior
from asap_ros.road.options import RoadOptions

SPIRAL = 50.0
"""Metres in which a road takes up the curvature of a bend: its spirals are 40 to 70 long."""

KINKS = (10.0, 20.0, 30.0)
"""Metres ahead at which a spiral may begin or end: one of them, anywhere in view."""

ALIKE = 0.5
"""By how much a network's labels bend an edge, as a share of the scatter that the residuals show
beyond that of whole pixels: rows far apart err alike too. With it, bands of 68 and 95 % held 69
and 94 % of curvatures at 20 m through a network's masks, on 256 frames of eight rendered drives,
and without it 63 and 84 %."""


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
    if fit is None:
        return (height,)
    used = fit.weight > 0
    jacobian, s = fit.jacobian[used, :PITCH + 1], fit.s[used]
    reach = np.linspace(0.0, s.max(initial=0.0), 8)
    bend = float(np.abs(clothoid.curvature(parameters, reach)).max())
    slope = bend / SPIRAL / np.sqrt(len(KINKS))
    aside = slope * np.stack([_aside(s, start) for start in KINKS], axis=1)
    edges = _alike(fit)[used]
    shift = _shifts(fit, jacobian, prior, np.hstack([jacobian[:, [C0]] * aside, edges])).T
    return (height, *(Doubt(by, start, slope) for by, start in zip(shift, KINKS)),
            *map(Doubt, shift[len(KINKS):]))


def _alike(fit: Fit) -> np.ndarray:
    """Return how labels may bend the left and the right edge, pixels (n, 2): a wave each."""
    excess = np.sqrt(max(fit.sigma ** 2 - SIGMA_FLOOR ** 2, 0.0))
    found = np.zeros((len(fit.s), 2))
    for column, side in enumerate((LEFT, RIGHT)):
        at = np.flatnonzero(fit.points.side == side)
        if len(at):
            v = fit.points.v[at]
            along = (v - v.min()) / max(float(np.ptp(v)), 1.0)
            found[at, column] = ALIKE * excess * np.cos(2 * np.pi * along)
    return found


def _shifts(fit: Fit, jacobian: np.ndarray, prior: Prior, errors: np.ndarray) -> np.ndarray:
    """Return what a fit makes of its pixels' ``errors`` (n, k), by parameter (6, k).

    ``jacobian`` (n, 6) of those pixels that are used.
    """
    normal = (jacobian.T @ jacobian) / fit.sigma ** 2 + np.diag(prior.sigma ** -2.0)
    unit = 1 / np.sqrt(np.diag(normal))
    gradient = jacobian.T @ errors / fit.sigma ** 2
    return unit[:, None] * np.linalg.solve(normal * np.outer(unit, unit),
                                           gradient * unit[:, None])


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
