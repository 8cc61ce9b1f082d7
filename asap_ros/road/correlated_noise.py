"""Fisher information of a fit under AR(1)-correlated residuals."""

from __future__ import annotations

import numpy as np

MAX_RHO = 0.97
_SOLVER_STEPS = 2
"""After these the correlation is off by 0.002 at most."""


def fisher_information(
    residual: np.ndarray,
    jacobian: np.ndarray,
    used: np.ndarray,
    side: np.ndarray,
    row: np.ndarray,
    sigma_floor: float,
) -> tuple[np.ndarray, float, float]:
    """Return the information matrix (6, 6) of a fit, its sigma and correlation.

    ``residual`` (n,) pixels, ``jacobian`` (n, 6), ``used`` bool (n,), ``side`` (n,) +-1, ``row``
    (n,) in order. Neighbouring rows of one edge err alike, which is modelled as AR(1) with
    R_ij = rho^|row_i - row_j|. With A = J'J the fit scatters by A^-1 (J'RJ) A^-1 sigma^2. The
    residuals show less scatter and less correlation than the noise, for the fitted parameters
    follow it: both are solved for so that the residuals' expected moments, the fitted
    parameters taken out, are the observed ones. That sigma is itself an estimate widens the
    result as it widens a t distribution.
    """
    edges = [np.flatnonzero(used & (side == value)) for value in (1.0, -1.0)]
    row = np.asarray(row).astype(int)
    distance = [np.abs(np.subtract.outer(row[i], row[i])) for i in edges]
    r, j = residual * used, jacobian * used[:, None]
    a = j.T @ j
    unit = np.sqrt(np.maximum(np.diag(a), 1e-300))
    j, a = j / unit, a / np.outer(unit, unit)
    values, vectors = np.linalg.eigh(a)
    seen = values > 1e-10
    root = np.sqrt(values[seen])
    q = j @ (vectors[:, seen] / root)
    by_edge = [q[i] for i in edges]
    power = float(r @ r)
    count, pairs = sum(map(len, edges)), sum(max(0, len(i) - 1) for i in edges)
    if count - q.shape[1] < 4 or pairs < 4 or power <= 0:
        return a * np.outer(unit, unit) / sigma_floor**2, sigma_floor, 0.0
    observed = sum(float(r[i[1:]] @ r[i[:-1]]) for i in edges) / power
    rho = float(np.clip(observed, 0.0, MAX_RHO))
    for _ in range(_SOLVER_STEPS):
        expected_power, expected_lag, _ = _moments(by_edge, distance, rho)
        rho = float(np.clip(rho + observed - expected_lag / expected_power, 0.0, MAX_RHO))
    expected_power, _, inner = _moments(by_edge, distance, rho)
    variance = max(power / max(expected_power, 1e-9), sigma_floor**2)
    apart = sum(float(np.ptp(row[i])) + 1 if len(i) else 0.0 for i in edges)
    freedom = max(min(count, apart * (1 - rho) / (1 + rho)) - q.shape[1], 4.0)
    spread = variance * freedom / (freedom - 2)
    back = (vectors[:, seen] * root).T
    scatter = spread * (back.T @ inner @ back)
    # A (J'RJ)^-1 A, in the directions that the pixels see at all.
    values, vectors = np.linalg.eigh(scatter)
    seen = values > 1e-10 * values[-1]
    half = (a @ vectors[:, seen]) / np.sqrt(values[seen])
    return half @ half.T * np.outer(unit, unit), float(np.sqrt(variance)), rho


def _correlate(columns: np.ndarray, distance: np.ndarray, rho: float) -> np.ndarray:
    """Return R @ columns for R = rho^distance."""
    if not len(columns):
        return columns
    return np.power(rho, np.arange(distance.max() + 1))[distance] @ columns


def _moments(
    q: list[np.ndarray], distance: list[np.ndarray], rho: float
) -> tuple[float, float, np.ndarray]:
    """Return the expected sums of r_i^2 and of r_i r_i+1 of residuals of AR(1) noise, and Q'RQ.

    The noise has variance 1; ``q`` are an orthonormal basis of what the fit takes out, by edge.
    """
    correlated = [_correlate(columns, d, rho) for columns, d in zip(q, distance)]
    inner = sum(columns.T @ c for columns, c in zip(q, correlated))
    power, lag = -float(np.trace(inner)), 0.0
    for columns, c, d in zip(q, correlated, distance):
        power += len(columns)
        lag += float(np.power(rho, np.diagonal(d, 1)).sum())
        lag -= float((columns[1:] * c[:-1]).sum() + (columns[:-1] * c[1:]).sum())
        lag += float(((columns[1:] @ inner) * columns[:-1]).sum())
    return power, lag, inner


def rows_per_sample(
    residual: np.ndarray, used: np.ndarray, side: np.ndarray, sigma_floor: float
) -> float:
    """Return how many correlated rows carry the information of one independent row.

    That is (1 + rho) / (1 - rho) for the correlation rho from row to row. Residuals as small as
    those of whole pixels, ``sigma_floor``, show none. Arrays as for ``fisher_information``.
    """
    r = residual * used
    pairs = float((r[1:] * r[:-1])[side[1:] == side[:-1]].sum())
    power = max(float(r @ r), np.count_nonzero(used) * sigma_floor**2)
    rho = float(np.clip(pairs / power, 0.0, MAX_RHO))
    return (1 + rho) / (1 - rho)
