"""How well the corridor is found: against the true road, or the path that was then driven."""

from __future__ import annotations

import numpy as np

from asap_ros.bags.calibration_and_odometry import Odometry
from asap_ros.road.geometry import ReferenceCurve, RoadGeometry

AHEAD = (10.0, 20.0)
"""Metres of arc length ahead of base_link at which curvature is judged."""

MIN_SPEED = 2.0
"""m/s below which yaw rate over speed tells no curvature."""

STEP = 3e-3
"""1/m by which the true curvature must change within STEP_TIME to count as a step."""
STEP_TIME = 1.5
"""Seconds."""
LATE = 2.0
"""Seconds after a step within which the estimate must have followed, else it never did."""


def curvature_at(geometry: RoadGeometry, s: float) -> tuple[float, float]:
    """Return curvature and sigma, 1/m, at arc length s; NaN where the corridor is not told."""
    if not geometry.valid or not len(geometry.s) or not geometry.s[0] <= s <= geometry.s[-1]:
        return np.nan, np.nan
    return (
        float(np.interp(s, geometry.s, geometry.curvature_at_s)),
        float(np.interp(s, geometry.s, geometry.curvature_at_s_sigma)),
    )


def estimates(geometry: RoadGeometry) -> dict[str, float]:
    """Return what a frame says of the corridor, for ``frames.csv``."""
    row: dict[str, float] = {
        'valid': int(geometry.valid),
        'status': int(geometry.status),
        'blocker': geometry.blocker_class,
        'blocker_distance_m': geometry.blocker_distance,
        'view_end_m': geometry.view_end,
    }
    for s in AHEAD:
        row[f'curvature_{s:.0f}m'], row[f'sigma_{s:.0f}m'] = curvature_at(geometry, s)
    return row


def compare(geometry: RoadGeometry, truth: RoadGeometry) -> dict[str, float]:
    """Return a frame's true curvatures, 1/m, and its error of the lateral offset, m.

    Where the corridor is that parallel to the road through the vehicle, so is the truth.
    """
    row = {}
    parallel = geometry.reference == ReferenceCurve.EGO_PARALLEL
    beside = truth.lateral_offset * np.cos(truth.heading) if parallel else 0.0
    for s in AHEAD:
        curvature, _ = curvature_at(truth, s)
        row[f'true_curvature_{s:.0f}m'] = curvature / (1 + curvature * beside)
    if geometry.valid and not parallel:
        row['lateral_error_m'] = geometry.lateral_offset - truth.lateral_offset
    return row


def driven(odometry: Odometry, time: float) -> dict[str, float]:
    """Return the curvature, 1/m, where the vehicle was after 10 and 20 m from ``time`` (s) on.

    That is yaw rate over speed at the moment when base_link got there; NaN where the recording
    ends before or the vehicle was slower than MIN_SPEED.
    """
    row = {f'driven_curvature_{s:.0f}m': np.nan for s in AHEAD}
    first = int(np.searchsorted(odometry.time, time, 'right')) - 1
    if first < 0:
        return row
    last = int(np.searchsorted(odometry.time, time + AHEAD[-1] / MIN_SPEED, 'right'))
    t, speed, yaw_rate = (
        a[first:last] for a in (odometry.time, odometry.speed, odometry.yaw_rate)
    )
    if len(t) < 2:
        return row
    way = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(t))])
    way -= np.interp(time, t, way)
    for s in AHEAD:
        then = int(np.searchsorted(way, s))
        if 0 < then < len(t):
            share = (s - way[then - 1]) / max(way[then] - way[then - 1], 1e-9)
            v, w = (a[then - 1] + share * (a[then] - a[then - 1]) for a in (speed, yaw_rate))
            if v >= MIN_SPEED:
                row[f'driven_curvature_{s:.0f}m'] = w / v
    return row


def lag(time: np.ndarray, estimate: np.ndarray, truth: np.ndarray) -> float | None:
    """Return how many seconds the estimate comes after the truth's steps, their median.

    Arrays (n,), NaN where unknown. A step is a change of at least STEP within STEP_TIME; the lag
    is from the truth's passing half of it to the estimate's passing the same value. Steps that
    the estimate had passed before count with their negative lead. None without a step, or where
    the estimate follows none.
    """
    known = np.isfinite(truth)
    if known.sum() < 3:
        return None
    lags = [
        lag
        for begin, end, middle, rising in _steps(time[known], truth[known])
        if (lag := _follows(time, estimate, begin, end, middle, rising)) is not None
    ]
    return float(np.median(lags)) if lags else None


def _steps(time: np.ndarray, truth: np.ndarray) -> list[tuple[float, float, float, bool]]:
    """Return (moment before, moment of half, value at half, rising) of the truth's steps."""
    steps = []
    free_from = -np.inf
    for k, start in enumerate(time):
        if start < free_from:
            continue
        inside = (time >= start) & (time <= start + STEP_TIME)
        change = truth[inside] - truth[k]
        far = int(np.argmax(np.abs(change)))
        if abs(change[far]) < STEP:
            continue
        rising = bool(change[far] > 0)
        middle = truth[k] + 0.5 * change[far]
        half = _crossing(time[k:], truth[k:], middle, rising)
        if half is not None:
            steps.append((start, half, middle, rising))
        free_from = time[inside][far]
    return steps


def _follows(
    time: np.ndarray,
    estimate: np.ndarray,
    begin: float,
    half: float,
    middle: float,
    rising: bool,
) -> float | None:
    """Return the estimate's lag behind a step, None where it does not follow it."""
    inside = (time >= begin) & (time <= half + LATE) & np.isfinite(estimate)
    crossed = _crossing(time[inside], estimate[inside], middle, rising)
    return None if crossed is None else crossed - half


def _crossing(time: np.ndarray, values: np.ndarray, level: float, rising: bool) -> float | None:
    """Return when values first pass a level in one direction, between samples by a line."""
    sign = 1 if rising else -1
    above = sign * (values - level) >= 0
    at_first = np.flatnonzero(above[1:] & ~above[:-1])
    if not len(at_first):
        return None
    k = at_first[0]
    share = (level - values[k]) / (values[k + 1] - values[k])
    return float(time[k] + share * (time[k + 1] - time[k]))
