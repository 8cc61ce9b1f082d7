"""Both edges of the road fitted at once, in pixels, by a clothoid and the camera's pitch."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from asap_ros.road import clothoid
from asap_ros.road.camera import Camera
from asap_ros.road.clothoid import C0, K0, PITCH, PSI, WIDTH
from asap_ros.road.edges import FIXED, LEFT, RIGHT, Edges
from asap_ros.road.noise import information

ITERATIONS = 14
MIN_POINTS = 8
HUBER = 2.5
"""Residuals beyond this many sigmas pull with constant force."""

REJECT = 6.0
"""Residuals beyond this many sigmas are not this road's edge and do not count at all (Tukey)."""

SETTLE = 5
"""Iterations with Huber's weights before what lies far away is let go."""

SIGMA_FLOOR = 0.29
"""Pixels: an edge between pixels is not known better than by 1/sqrt(12) of one."""

ROW_ERROR = 0.25
"""What edges err by along v, as a share of what they err by along u: an edge that runs along
the rows is then the less certain of u, by sqrt(1 + (ROW_ERROR du/dv)^2)."""

SETTLED, CONVERGED = 0.1, 1e-5
"""Squares of a step in sigmas of the solution (uncorrelated noise): below the first, Huber's
weights have done their part; below the second, the iteration ends."""

REVERSAL = -0.3
"""Share of the last step that a step must undo to be shortened."""

ADRIFT = 0.05
"""Square of a last step in sigmas of the solution above which the fit has not converged."""

MAX_STEP = np.array([5.0, 0.3, 0.02, 1e-3, 5.0, 0.02])
"""What one iteration may change the parameters by at most."""

MAX_SHIFT = 10.0
"""Metres by which one iteration may move a point along the edge."""

MAX_HEADING = 1.2
"""Radians against the vehicle: beyond, a row of pixels no longer crosses the road once."""


@dataclass(frozen=True, eq=False)
class Points:
    """Edge pixels to fit: ``u``, ``v``, ``side`` (+1 left, -1 right), (n,), nearest first."""

    u: np.ndarray
    v: np.ndarray
    side: np.ndarray


@dataclass(frozen=True, eq=False)
class Prior:
    """What is believed before looking: ``mean`` and ``sigma`` (6,) in the clothoid's order."""

    mean: np.ndarray
    sigma: np.ndarray


@dataclass(frozen=True, eq=False)
class Fit:
    """The fitted road. ``parameters`` (6,) c0, psi, k0, k1, w, pitch; ``covariance`` (6, 6).

    ``information`` (6, 6) is what the pixels alone say, without the prior. By point, (n,):
    ``s`` arc length, ``residual`` pixels to the right of the model, ``weight`` 0 to 1 where 0
    was rejected, ``jacobian`` (n, 6) pixels by parameter; residual and jacobian are divided by
    how much less certain a slanted edge is (ROW_ERROR). ``sigma`` pixels, ``rho`` the
    correlation from row to row.
    """

    points: Points
    parameters: np.ndarray
    covariance: np.ndarray
    information: np.ndarray
    s: np.ndarray
    residual: np.ndarray
    weight: np.ndarray
    jacobian: np.ndarray
    sigma: float
    rho: float
    converged: bool


def default_prior(width: float, width_sigma: float, pitch_sigma: float) -> Prior:
    """Return the prior of a road nothing is known of, widths in metres, pitch in radians."""
    return Prior(mean=np.array([0.0, 0.0, 0.0, 0.0, width, 0.0]),
                 sigma=np.array([10.0, 0.5, 0.05, 3e-4, width_sigma, pitch_sigma]))


def edge_points(edges: Edges) -> Points:
    """Return the edge pixels with something fixed beyond them, left ones first."""
    left, right = edges.left_kind == FIXED, edges.right_kind == FIXED
    return Points(u=np.concatenate([edges.left_u[left], edges.right_u[right]]),
                  v=np.concatenate([edges.v[left], edges.v[right]]),
                  side=np.concatenate([np.full(left.sum(), float(LEFT)),
                                       np.full(right.sum(), float(RIGHT))]))


def project_edge(camera: Camera, parameters: np.ndarray, s: np.ndarray, side) -> tuple:
    """Return u, v, their derivatives by the six parameters (n, 6) and by s (n,)."""
    curve = clothoid.evaluate(parameters, s, side)
    c, n = np.cos(parameters[PITCH]), np.sin(parameters[PITCH])
    dx, dy = curve.x - camera.translation[0], curve.y - camera.translation[1]
    dz = -camera.translation[2]
    # Into the pitched body: Ry(pitch) transposed; then into the optical frame.
    body = np.stack([c * dx - n * dz, dy, n * dx + c * dz])
    d_pitch = np.stack([-n * dx - c * dz, np.zeros_like(dy), c * dx - n * dz])
    optical, optical_pitch = camera.rotation.T @ body, camera.rotation.T @ d_pitch
    # Optical x, y, z by ground x and y.
    by_x = camera.rotation.T @ np.array([c, 0.0, n])
    by_y = camera.rotation.T @ np.array([0.0, 1.0, 0.0])
    depth = np.maximum(optical[2], 0.1)
    u, v = camera.fx * optical[0] / depth, camera.fy * optical[1] / depth
    fx, fy = camera.fx / depth, camera.fy / depth
    u_x, u_y = fx * by_x[0] - u * by_x[2] / depth, fx * by_y[0] - u * by_y[2] / depth
    v_x, v_y = fy * by_x[1] - v * by_x[2] / depth, fy * by_y[1] - v * by_y[2] / depth
    d_u, d_v = np.empty((len(s), 6)), np.empty((len(s), 6))
    d_u[:, :PITCH] = u_x[:, None] * curve.d_x + u_y[:, None] * curve.d_y
    d_v[:, :PITCH] = v_x[:, None] * curve.d_x + v_y[:, None] * curve.d_y
    d_u[:, PITCH] = fx * optical_pitch[0] - u * optical_pitch[2] / depth
    d_v[:, PITCH] = fy * optical_pitch[1] - v * optical_pitch[2] / depth
    s_u, s_v = u_x * curve.s_x + u_y * curve.s_y, v_x * curve.s_x + v_y * curve.s_y
    usable = (optical[2] > 0.1) & (np.abs(curve.heading) < MAX_HEADING) & (s_v < -1e-3)
    return u + camera.cx, v + camera.cy, d_u, d_v, s_u, s_v, usable


def linearise(camera: Camera, points: Points, parameters: np.ndarray, s: np.ndarray) -> tuple:
    """Return residual, Jacobian, slope, which points are usable, and how s will have to move.

    The curve meets a point's row v at some arc length near s. Residual (n,) and Jacobian (n, 6)
    are those of u at constant v; ``slope`` (n,) is du/dv of the edge. The row is met at
    s + shift + along @ step after a step of the parameters, shift (n,), along (n, 6).
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


def _moved(s: np.ndarray, change: np.ndarray) -> np.ndarray:
    """Return arc lengths after a change that is kept from leaping, metres."""
    return np.clip(s + np.clip(change, -MAX_SHIFT, MAX_SHIFT), -5.0, 300.0)


def initial(camera: Camera, points: Points, prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """Return a first guess of the six parameters, by parabolas on the ground, and of s."""
    pitched = camera.pitched(prior.mean[PITCH])
    x, y = pitched.ground(points.u, points.v)
    height, f = camera.translation[2], camera.fx
    ahead = np.maximum(x - camera.translation[0], 1.0)
    good = np.isfinite(x) & np.isfinite(y)
    x, y, ahead = (np.where(good, a, 1.0) for a in (x, y, ahead))
    design = np.stack([np.ones_like(x), x, 0.5 * x * x, 0.5 * points.side], axis=1)
    noise = ahead / f * np.sqrt(1 + (np.abs(y) / height) ** 2) * 1.0 + 0.02
    mean, sigma = prior.mean[[C0, PSI, K0, WIDTH]], prior.sigma[[C0, PSI, K0, WIDTH]]
    solution = mean
    weight = good / noise ** 2
    for _ in range(5):
        normal = (design * weight[:, None]).T @ design + np.diag(sigma ** -2.0)
        right = (design * weight[:, None]).T @ y + mean / sigma ** 2
        solution = np.linalg.solve(normal, right)
        pull = np.abs(y - design @ solution) / noise
        weight = good / noise ** 2 / np.maximum(1.0, pull / HUBER)
    parameters = prior.mean.copy()
    parameters[[C0, PSI, K0, WIDTH]] = solution
    return parameters, x


def fit_road(camera: Camera, points: Points, prior: Prior) -> Fit | None:
    """Return the maximum of the posterior over the six parameters, None for too few points.

    Gauss-Newton on residuals of u at constant row, ``prior`` included: with Huber's weights
    until settled, then with Tukey's at the scatter found. The covariance counts the noise's
    correlation from row to row (see ``noise.information``).
    """
    if len(points.u) < MIN_POINTS:
        return None
    parameters, s = initial(camera, points, prior)
    precision = prior.sigma ** -2.0
    settled, damping, last = False, 1.0, np.zeros(6)
    for iteration in range(ITERATIONS):
        residual, jacobian, slope, usable, shift, along = linearise(
            camera, points, parameters, s)
        if np.count_nonzero(usable) < MIN_POINTS:
            return None
        if not settled:
            factor = np.sqrt(1 + np.square(ROW_ERROR * slope))
            spread = float(np.median(np.abs(residual / factor)[usable]))
            sigma = max(SIGMA_FLOOR, 1.4826 * spread)
        weight = _weights(residual / (sigma * factor), usable, settled)
        each = (weight / (sigma * factor) ** 2)[:, None] * jacobian
        gradient = each.T @ residual + precision * (prior.mean - parameters)
        normal = each.T @ jacobian + np.diag(precision)
        step = np.linalg.solve(normal, gradient)
        # One edge alone leaves a bent valley between pitch and heading; steps to and fro across
        # it are shortened.
        back = step @ normal @ last < REVERSAL * (last @ normal @ last)
        damping = 0.5 * damping if back else min(1.0, 2 * damping)
        step, last = damping * step, step
        step *= min(1.0, *(MAX_STEP / np.maximum(np.abs(step), 1e-12)))
        parameters, s = parameters + step, _moved(s, shift + along @ step)
        moved = float(step @ gradient)
        if settled and moved < CONVERGED:
            break
        settled = settled or moved < SETTLED or iteration + 1 >= SETTLE
    residual, jacobian, _, usable, shift, _ = linearise(camera, points, parameters, s)
    residual, jacobian = residual / factor, jacobian / factor[:, None]
    weight = _weights(residual / sigma, usable, True)
    data, sigma, rho = information(residual, jacobian, weight > 0, points.side, SIGMA_FLOOR)
    posterior = data + np.diag(precision)
    covariance = np.linalg.inv(posterior)
    converged = float(step @ posterior @ step) < ADRIFT
    return Fit(points=points, parameters=parameters, covariance=covariance, information=data,
               s=_moved(s, shift), residual=residual, weight=weight, jacobian=jacobian, sigma=sigma, rho=rho,
               converged=converged)


def _weights(pull: np.ndarray, usable: np.ndarray, settled: bool) -> np.ndarray:
    """Return the weights 0 to 1 of residuals in sigmas: Huber's, or Tukey's once settled."""
    size = np.abs(pull)
    weight = np.square(np.maximum(0.0, 1 - np.square(pull / REJECT))) if settled else (
        1 / np.maximum(1.0, size / HUBER))
    return np.where(usable, weight, 0.0)


def doubt_pitch(fit: Fit, expected: float) -> Fit:
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
    shift = np.append((solution / unit)[:PITCH], off)
    pull = fit.information @ shift
    return replace(fit, covariance=fit.covariance + np.outer(shift, shift),
                   information=fit.information - np.outer(pull, pull) / (1 + shift @ pull))
