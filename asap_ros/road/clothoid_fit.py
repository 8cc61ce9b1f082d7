"""Both edges of the road fitted at once, in pixels, by a clothoid and the camera's pitch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asap_ros.road.clothoid import C0, CREST, K0, PITCH, PSI, WIDTH
from asap_ros.road.correlated_noise import MAX_RHO, fisher_information, rows_per_sample
from asap_ros.road.edge_projection import EdgePixels, linearise
from asap_ros.road.projection import Camera

ITERATIONS = 14

MIN_POINTS = 8
"""Edge pixels below which nothing is fitted."""

HUBER = 2.5
"""Residuals beyond this many sigmas pull with constant force."""

REJECT = 6.0
"""Residuals beyond this many sigmas are not this road's edge and do not count at all (Tukey)."""

SETTLE = 4
"""Iterations with Huber's weights before what lies far away is let go."""

SIGMA_FLOOR = 0.29
"""Pixels: an edge between pixels is not known better than by 1/sqrt(12) of one."""

ROW_ERROR = 0.25
"""What edges err by along v, as a share of what they err by along u: an edge that runs along
the rows is then the less certain of u, by sqrt(1 + (ROW_ERROR du/dv)^2)."""

SETTLED, CONVERGED = 0.5, 1e-2
"""Squares of a step in sigmas of the solution (uncorrelated noise): below the first, Huber's
weights have done their part; below the second, the iteration ends: each step is a fifth of the
one before, or less."""

REVERSAL = -0.3
"""Share of the last step that a step must undo to be shortened."""

ADRIFT = 0.05
"""Square of a last step in sigmas of the solution above which the fit has not converged."""

MAX_STEP = np.array([5.0, 0.3, 0.02, 1e-3, 5.0, 0.02, 2e-3])
"""What one iteration may change the parameters by at most."""

BENT_F, MIN_CREST = 15.0, 2e-4
"""How much better a bent ground must explain the residuals, as an F ratio (chance reaches 15
once in a thousand), and the least curvature, 1/m, that it must have."""

MIN_BENT_POINTS = 25
"""Points that each edge must have for the two to tell how the ground bends."""

MAX_SHIFT = 10.0
"""Metres by which one iteration may move a point along the edge."""


@dataclass(frozen=True, eq=False)
class Prior:
    """What is believed before looking: ``mean`` and ``sigma`` (6,) in the clothoid's order."""

    mean: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True, eq=False)
class Fit:
    """The fitted road. ``parameters`` (6,) c0, psi, k0, k1, w, pitch; ``covariance`` (6, 6).

    ``crest`` in 1/m, by which the ground falls away as crest s^2 / 2, is 0 unless it was asked
    for; the covariance counts that it was. ``fisher_information`` (6, 6) is what the pixels alone say,
    without the prior. By point, (n,): ``s`` arc length, ``residual`` pixels to the right of the
    model, ``weight`` 0 to 1 where 0 was rejected, ``jacobian`` (n, 7) pixels by parameter, the
    crest last; residual and jacobian are divided by how much less certain a slanted edge is
    (ROW_ERROR). ``sigma`` pixels, ``rho`` the correlation from row to row, ``shared`` how many
    pixels weigh like one against the prior.
    """

    points: EdgePixels
    parameters: np.ndarray
    crest: float
    covariance: np.ndarray
    information: np.ndarray
    s: np.ndarray
    residual: np.ndarray
    weight: np.ndarray
    jacobian: np.ndarray
    sigma: float
    rho: float
    shared: float
    converged: bool


def default_prior(width: float, width_sigma: float, pitch_sigma: float) -> Prior:
    """Return the prior of a road nothing is known of, widths in metres, pitch in radians.

    One sigma is a heading of 0.2 rad, a bend of 50 m radius, and one that tightens to that of
    67 m within 50 m.
    """
    return Prior(
        mean=np.array([0.0, 0.0, 0.0, 0.0, width, 0.0]),
        sigma=np.array([10.0, 0.2, 0.02, 3e-4, width_sigma, pitch_sigma]),
    )


def _moved(s: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return arc lengths after a change that is kept from leaping, metres."""
    return np.clip(s + np.clip(change, -MAX_SHIFT, MAX_SHIFT), -5.0, 300.0)


def initial(camera: Camera, points: EdgePixels, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Return a first guess of the six parameters, by parabolas on the ground, and of s."""
    pitched = camera.pitched(prior.mean[PITCH])
    x, y = pitched.ground(points.u, points.v)
    height, f = camera.translation[2], camera.fx
    ahead = np.maximum(x - camera.translation[0], 1.0)
    good = np.isfinite(x) & np.isfinite(y)
    x, y, ahead = (np.where(good, a, 1.0) for a in (x, y, ahead))
    design = np.stack([np.ones_like(x), x, 0.5 * x * x, 0.5 * points.side], axis=1)
    # What a pixel each way is worth on the ground; no edge is straight to 2 cm.
    noise = ahead / f * np.sqrt(1 + (y / height) ** 2) + 0.02
    mean, sigma = prior.mean[[C0, PSI, K0, WIDTH]], prior.sigma[[C0, PSI, K0, WIDTH]]
    solution = mean
    weight = good / noise**2
    for _ in range(3):
        each = (design * weight[:, None]).T
        solution = np.linalg.solve(
            each @ design + np.diag(sigma**-2.0), each @ y + mean / sigma**2
        )
        pull = np.abs(y - design @ solution) / noise
        weight = good / noise**2 / np.maximum(1.0, pull / HUBER)
    parameters = prior.mean.copy()
    parameters[[C0, PSI, K0, WIDTH]] = solution
    return parameters, x


def fit_road(
    camera: Camera,
    points: EdgePixels,
    prior: Prior,
    crest_sigma: float = 0.0,
    start: Fit | None = None,
) -> Fit | None:
    """Return the maximum of the posterior over the road's parameters, None for too few points.

    Gauss-Newton on residuals of u at constant row, ``prior`` included: with Huber's weights
    until settled, then with Tukey's at the scatter found and weighed against the prior by how
    alike neighbouring rows err (``noise.rows_per_sample``). The covariance counts that correlation
    (``noise.information``). The ground is flat unless ``crest_sigma`` (1/m) says how much it may
    bend; ``start`` is an earlier fit of the same points to begin at.
    """
    if len(points.u) < MIN_POINTS:
        return None
    count = CREST + 1 if crest_sigma > 0 else CREST
    if start is None:
        known, s = initial(camera, points, prior)
        parameters = np.append(known, 0.0)
    else:
        parameters, s = np.append(start.parameters, start.crest), start.s
    mean = np.append(prior.mean, 0.0)[:count]
    precision = np.append(prior.sigma, crest_sigma)[:count] ** -2.0
    believed, largest = np.diag(precision), MAX_STEP[:count]
    settled, damping, last, shared = False, 1.0, np.zeros(count), 1.0
    for iteration in range(ITERATIONS):
        residual, jacobian, slope, usable, shift, along = linearise(camera, points, parameters, s)
        if np.count_nonzero(usable) < MIN_POINTS:
            return None
        if not settled:
            factor = np.sqrt(1 + np.square(ROW_ERROR * slope))
            spread = float(np.median(np.abs(residual / factor)[usable]))
            sigma = max(SIGMA_FLOOR, 1.4826 * spread)
        weight = _weights(residual / (sigma * factor), usable, settled)
        free = jacobian[:count]
        each = weight / (shared * (sigma * factor) ** 2) * free
        gradient = each @ residual + precision * (mean - parameters[:count])
        normal = each @ free.T + believed
        step = np.linalg.solve(normal, gradient)
        # One edge alone leaves a bent valley between pitch and heading; steps to and fro across
        # it are shortened.
        back = step @ normal @ last < REVERSAL * (last @ normal @ last)
        damping = 0.5 * damping if back else min(1.0, 2 * damping)
        step, last = damping * step, step
        step /= max(1.0, float((np.abs(step) / largest).max()))
        parameters[:count] += step
        s = _moved(s, shift + step @ along[:count])
        moved = float(step @ gradient)
        if settled and moved < CONVERGED:
            break
        if not settled and (moved < SETTLED or iteration + 1 >= SETTLE):
            settled = True
            shared = rows_per_sample(residual / factor, weight > 0, points.side, SIGMA_FLOOR)
    # A last step is small, or the fit is not to be used: what is left follows linearly.
    residual, jacobian = (residual - step @ free) / factor, (jacobian / factor).T
    weight = _weights(residual / sigma, usable, True)
    data, sigma, rho = fisher_information(
        residual, jacobian[:, :count], weight > 0, points.side, points.v, SIGMA_FLOOR
    )
    converged = float(step @ (data + believed) @ step) < ADRIFT
    if count > CREST:
        # What the six keep of the information when the crest is anyone's guess within its prior.
        across = data[:CREST, CREST]
        data = data[:CREST, :CREST] - np.outer(across, across) / (
            data[CREST, CREST] + precision[CREST]
        )
    covariance = np.linalg.inv(data + np.diag(precision[:CREST]))
    return Fit(
        points=points,
        parameters=parameters[:CREST],
        crest=float(parameters[CREST]),
        covariance=covariance,
        information=data,
        s=s,
        residual=residual,
        weight=weight,
        jacobian=jacobian,
        sigma=sigma,
        rho=rho,
        shared=shared,
        converged=converged,
    )


def shows_crest(fit: Fit) -> bool:
    """Return whether a fit on flat ground leaves residuals that a crest or a dip explains."""
    used = fit.weight > 0
    lefts = np.count_nonzero(fit.points.side > 0)
    if min(lefts, len(used) - lefts) < MIN_BENT_POINTS:
        return False
    jacobian, residual = fit.jacobian[used], fit.residual[used]
    basis, _ = np.linalg.qr(jacobian[:, :CREST])
    bend = jacobian[:, CREST] - basis @ (basis.T @ jacobian[:, CREST])
    left = residual - basis @ (basis.T @ residual)
    power, along = float(bend @ bend), float(bend @ left)
    if not abs(along) > MIN_CREST * power:
        return False
    # What a crest leaves unexplained tells how many independent residuals there are.
    rest = left - along / power * bend
    remaining = max(float(rest @ rest), len(rest) * SIGMA_FLOOR**2)
    rho = np.clip(float(rest[1:] @ rest[:-1]) / remaining, 0.0, MAX_RHO)
    freedom = len(rest) * (1 - rho) / (1 + rho) - CREST - 1
    return along**2 / power / remaining * freedom > BENT_F


def _weights(pull: np.ndarray, usable: np.ndarray, settled: bool) -> np.ndarray:
    """Return the weights 0 to 1 of residuals in sigmas: Huber's, or Tukey's once settled."""
    size = np.abs(pull)
    weight = (
        np.square(np.maximum(0.0, 1 - np.square(pull / REJECT)))
        if settled
        else (1 / np.maximum(1.0, size / HUBER))
    )
    return np.where(usable, weight, 0.0)


def inflate_pitch(fit: Fit, expected: float) -> Fit:
    """Return a fit whose sigmas span that its pitch is right and that ``expected`` is.

    A road that widens looks like a parallel one under another pitch. Where the two cannot be
    told apart the difference between them is added to the covariance: what the other
    parameters would be at the expected pitch, were the width free to grow.
    """
    used = fit.weight > 0
    j, s = fit.jacobian[used], fit.s[used]
    off = expected - fit.parameters[PITCH]
    others = np.column_stack([j[:, :PITCH], j[:, WIDTH] * s])
    unit = np.sqrt(np.square(others).sum(axis=0)) + 1e-300
    solution, *_ = np.linalg.lstsq(others / unit, -off * j[:, PITCH], rcond=1e-6)
    return inflate_covariance(fit, np.append((solution / unit)[:PITCH], off)[None])


def inflate_covariance(fit: Fit, shifts: np.ndarray) -> Fit:
    """Return a fit whose sigmas span that its parameters are off by each of ``shifts`` (k, 6)."""
    covariance, information = fit.covariance + shifts.T @ shifts, fit.information
    for shift in shifts:
        pull = information @ shift
        information = information - np.outer(pull, pull) / (1 + shift @ pull)
    return replace(fit, covariance=covariance, information=information)
