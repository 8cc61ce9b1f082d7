"""Systematic errors that the fit's covariance does not cover.

A fit's covariance says what noisy pixels leave open if the road is the model. Roads are chains of
straights, arcs and spirals, of which more than one may be in view; a vehicle heaves; and a network
errs alike along a whole edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asap_ros.road import clothoid
from asap_ros.road.clothoid import C0, CREST, K0, K1, WIDTH
from asap_ros.road.clothoid_fit import Fit, Prior
from asap_ros.road.edge_detection import LEFT, RIGHT
from asap_ros.road.edge_projection import EdgePixels
from asap_ros.road.options import RoadOptions
from asap_ros.road.projection import Camera
from asap_ros.road.tracker import move_jacobian

SPIRAL = 50.0
"""Metres in which a road takes up the curvature of a bend: its spirals are 40 to 70 long."""

KINKS = (10.0, 20.0, 30.0)
"""Metres ahead at which a spiral, or a crest, may begin or end: one of them, anywhere in view."""

BULGE = 0.5
"""By how much of its bend a crest that was fitted may begin or end there: the ground is no
parabola. With it, bands of 68 and 95 % held 68 and 97 % of curvatures at 10 m over crests and
dips in exact masks, on 31 frames of a rendered drive, and without it 26 and 77 %."""

LEAN = 3.0
"""Pixels, as residuals count them, one sigma, by which a network draws an edge inwards near the
vehicle and outwards far away, or the other way round, each edge for itself; residuals hardly show
it. On five rendered drives the left edge was 3 to 8 pixels inside at 12 m and up to 4 outside from
25 m on."""


@dataclass(frozen=True, eq=False)
class SystematicErrors:
    """SystematicErrors of the road from the model by one sigma each, and what the model makes of them.

    In departure i the model's parameters are wrong by ``shift[i]`` (6,), while the road bends by
    ``slope[i]`` (s - ``start[i]``) more than they say from ``start[i]`` (metres) on; ``slope`` in
    1/m^2. Shapes (k, 6), (k, 1), (k, 1).
    """

    shift: np.ndarray
    start: np.ndarray
    slope: np.ndarray

    def moved(self, distance: float) -> SystematicErrors:
        """Return the departures as they are after ``distance`` metres along the road."""
        return replace(
            self, shift=self.shift @ move_jacobian(distance).T, start=self.start - distance
        )

    def scaled(self, scale: np.ndarray) -> SystematicErrors:
        """Return the departures of parameters that are ``scale`` (6,) times as large."""
        return replace(self, shift=scale * self.shift)

    @property
    def covariance(self) -> np.ndarray:
        """What the departures add to the parameters' covariance, (6, 6)."""
        return self.shift.T @ self.shift

    def curvature_variance(self, s: np.ndarray) -> np.ndarray:
        """Return what they add to the variance of the curvature at arc lengths s, (n,)."""
        wrong = (
            self.shift[:, [K0]]
            + self.shift[:, [K1]] * s
            - self.slope * np.maximum(s - self.start, 0.0)
        )
        return np.square(wrong).sum(axis=0)

    def lateral_variance(self, across: np.ndarray, s: np.ndarray) -> np.ndarray:
        """Return what they add to the variance across the curve at arc lengths s, (n,).

        ``across`` (5, n): the curve's derivatives across itself by C0 to WIDTH.
        """
        wrong = self.shift[:, : len(across)] @ across - self.slope * _aside(s, self.start)
        return np.square(wrong).sum(axis=0)


def systematic_errors(
    parameters: np.ndarray, camera: Camera, options: RoadOptions, fit: Fit, prior: Prior
) -> SystematicErrors:
    """Return the departures to be reckoned with of a road with these ``parameters`` (6,).

    The camera's height first, then a kink at each of KINKS, then where a crest may begin or end.
    ``fit`` is the frame's, whose pixels say how the parameters follow.
    """
    unit = options.height_sigma / camera.translation[2]
    height = np.zeros((1, len(parameters)))
    # All lengths on the ground are in proportion to the height, bends in inverse proportion.
    height[0, C0] = unit * (parameters[C0] - camera.translation[1])
    height[0, [K0, K1]] = -unit * parameters[K0], -2 * unit * parameters[K1]
    height[0, WIDTH] = unit * parameters[WIDTH]
    errors, each = _kinks(fit, parameters)
    kinks = np.array(KINKS)[:, None]
    if fit.crest != 0:
        # Of a crest that begins at a kink, the share of the fall that is there.
        used = fit.weight > 0
        s = fit.s[used]
        there = np.square(np.maximum(s - kinks, 0.0) / np.maximum(s, 1.0)).T
        bulge = BULGE * abs(fit.crest) / np.sqrt(len(KINKS))
        errors = np.hstack([errors, bulge * fit.jacobian[used, CREST][:, None] * there])
    shift = np.vstack([height, _shifts(fit, prior, errors)])
    start, slope = np.zeros((len(shift), 1)), np.zeros((len(shift), 1))
    start[1 : 1 + len(kinks)] = kinks
    slope[1 : 1 + len(kinks)] = each
    return SystematicErrors(shift, start, slope)


def network_error(fit: Fit, prior: Prior) -> np.ndarray:
    """Return by what a fit to a network's labels may be off, one sigma each, (k, 6).

    For the tracker, to which a frame must not count for more than it knows: leaning edges, and
    kinks, which a short stretch of edge does not show. With it the 95 % bands held 87 to 100 % of
    curvatures at 10 and 20 m on each of 19 rendered drives on which nothing else was judged,
    without it 79 to 100 %. Of exact labels a frame says more than its past; there it would cost
    accuracy.
    """
    errors, _ = _kinks(fit, fit.parameters)
    return _shifts(fit, prior, np.hstack([errors, _lean(fit.points)[fit.weight > 0]]))


def _kinks(fit: Fit, parameters: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what a kink at each of KINKS does to the pixels that are used, (n, 3), and its slope.

    The slope is that of SystematicErrors, 1/m^2: as the road of ``parameters`` (6,) bends in view.
    """
    used = fit.weight > 0
    s = fit.s[used]
    reach = np.linspace(0.0, s.max(initial=0.0), 8)
    bend = float(np.abs(clothoid.curvature(parameters, reach)).max())
    each = bend / SPIRAL / np.sqrt(len(KINKS))
    return fit.jacobian[used, C0][:, None] * each * _aside(s, np.array(KINKS)[:, None]).T, each


def _lean(points: EdgePixels) -> np.ndarray:
    """Return how a left and a right edge that lean are off, pixels (n, 2): lines in v."""
    lines = np.zeros((len(points.v), 2))
    for column, side in enumerate((LEFT, RIGHT)):
        at = points.side == side
        if at.any():
            height = points.v[at] - points.v[at].min()
            lines[at, column] = LEAN * (2 * height / max(float(height.max()), 1.0) - 1)
    return lines


def _shifts(fit: Fit, prior: Prior, errors: np.ndarray) -> np.ndarray:
    """Return what a fit makes of ``errors`` (n, k) of the pixels that it uses, (k, 6)."""
    jacobian = fit.jacobian[fit.weight > 0, : CREST + (fit.crest != 0)]
    normal = (jacobian.T @ jacobian) / (fit.shared * fit.sigma**2)
    normal[range(CREST), range(CREST)] += prior.sigma**-2.0
    unit = 1 / np.sqrt(np.diag(normal))
    gradient = jacobian.T @ errors / (fit.shared * fit.sigma**2)
    return (
        unit[:CREST, None]
        * np.linalg.solve(normal * np.outer(unit, unit), gradient * unit[:, None])[:CREST]
    ).T


def _aside(s: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return how far to the left a road gets that bends by s - start more from ``start`` on.

    Metres (k, n) for ``s`` (n,) and ``start`` (k, 1).
    """
    return np.maximum(s - start, 0.0) ** 3 / 6
