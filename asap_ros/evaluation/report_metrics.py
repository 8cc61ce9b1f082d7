"""The figures of a run, each a function of its frames' table, so that doubt can be told too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from asap_ros.evaluation.frame_table import FrameTable
from asap_ros.evaluation.road_metrics import AHEAD, lag

STAGES = ('decode', 'preprocess', 'infer', 'road', 'publish', 'total', 'age')
MIN_BEND = 1e-3
"""1/m of true curvature from which on its sign is worth asking for."""
ONE_SIGMA, TWO_SIGMA = 0.9945, 1.95996
"""Sigmas that hold 68 % and 95 % of a normal distribution."""


@dataclass(frozen=True)
class ReportMetric:
    """One headline figure: its place in the report, which way is better, and how to get it.

    ``of`` returns None where the frames do not tell it. ``unit`` is for people.
    """

    path: str
    higher_is_better: bool
    of: Callable[[FrameTable], float | None]
    unit: str = ''


def share(part: str, whole: str) -> Callable[[FrameTable], float | None]:
    """Return the figure that is a column's sum over another's, where both are known."""

    def of(table: FrameTable) -> float | None:
        known = np.isfinite(table[part]) & np.isfinite(table[whole])
        total = table[whole][known].sum()
        return float(table[part][known].sum() / total) if total else None

    return of


def mean(column: str) -> Callable[[FrameTable], float | None]:
    """Return the figure that is a column's mean over the frames that have it."""

    def of(table: FrameTable) -> float | None:
        values = table[column]
        known = np.isfinite(values)
        return float(values[known].mean()) if known.any() else None

    return of


def miou(table: FrameTable) -> float | None:
    """Return the mean over classes of the IoU of all frames' pixels."""
    found = [
        i
        for name in table.below('union')
        if (i := share(f'intersection.{name}', f'union.{name}')(table)) is not None
    ]
    return sum(found) / len(found) if found else None


def errors(table: FrameTable, s: float, truth: str = 'true') -> np.ndarray:
    """Return the errors of the curvature at arc length s, 1/m, NaN where not judged."""
    return table[f'curvature_{s:.0f}m'] - table[f'{truth}_curvature_{s:.0f}m']


def rmse(s: float, truth: str = 'true') -> Callable[[FrameTable], float | None]:
    """Return the figure that is the root mean square of ``errors``."""

    def of(table: FrameTable) -> float | None:
        found = errors(table, s, truth)
        found = found[np.isfinite(found)]
        return float(np.sqrt((found**2).mean())) if len(found) else None

    return of


def lateral_mae(table: FrameTable) -> float | None:
    """Return the mean absolute error of the lateral offset, m."""
    found = np.abs(table['lateral_error_m'])
    return float(np.nanmean(found)) if np.isfinite(found).any() else None


def coverage(sigmas: float, truth: str = 'true') -> Callable[[FrameTable], float | None]:
    """Return the share of curvatures at 10 and 20 m whose band of ``sigmas`` holds the truth."""

    def of(table: FrameTable) -> float | None:
        held = []
        for s in AHEAD:
            found, sigma = errors(table, s, truth), table[f'sigma_{s:.0f}m']
            known = np.isfinite(found) & np.isfinite(sigma)
            held.append(np.abs(found[known]) <= sigmas * sigma[known])
        every = np.concatenate(held)
        return float(every.mean()) if len(every) else None

    return of


def sign_agreement(truth: str = 'true') -> Callable[[FrameTable], float | None]:
    """Return the share of frames in real bends (at 20 m) whose direction is told rightly."""

    def of(table: FrameTable) -> float | None:
        true, estimated = table[f'{truth}_curvature_20m'], table['curvature_20m']
        known = np.isfinite(estimated) & (np.abs(true) >= MIN_BEND)
        return float((true[known] * estimated[known] > 0).mean()) if known.any() else None

    return of


def lag_s(table: FrameTable) -> float | None:
    """Return the lag after a step of the curvature at 10 m, s; needs frames in their order."""
    return lag(table['time_s'], table['curvature_10m'], table['true_curvature_10m'])


def percentile(stage: str, q: int) -> Callable[[FrameTable], float | None]:
    """Return the figure that is a percentile of a stage's time, ms."""

    def of(table: FrameTable) -> float | None:
        values = table[stage]
        values = values[np.isfinite(values)]
        return float(np.percentile(values, q)) if len(values) else None

    return of


SEGMENTATION = (
    ReportMetric('segmentation.miou', True, miou),
    ReportMetric('segmentation.pixel_accuracy', True, share('agreeing', 'pixels')),
    ReportMetric('segmentation.drivable_iou', True, share('drivable_both', 'drivable_either')),
)
FREE_SPACE = (
    ReportMetric('free_space.boundary_within_4px', True, share('within_4px', 'columns')),
    ReportMetric('free_space.false_free', False, share('false_free', 'columns')),
    ReportMetric('free_space.obstacle_recall', True, share('obstacles_found', 'obstacles')),
    ReportMetric('free_space.range_mae_m', False, share('range_error_m', 'range_columns'), 'm'),
)
ROAD = (
    ReportMetric('road.availability', True, mean('valid')),
    ReportMetric('road.curvature_rmse_10m', False, rmse(10.0), '1/m'),
    ReportMetric('road.curvature_rmse_20m', False, rmse(20.0), '1/m'),
    ReportMetric('road.lateral_mae_m', False, lateral_mae, 'm'),
    ReportMetric('road.sign_agreement', True, sign_agreement()),
    ReportMetric('road.coverage_68', True, coverage(ONE_SIGMA)),
    ReportMetric('road.coverage_95', True, coverage(TWO_SIGMA)),
    ReportMetric('road.lag_s', False, lag_s, 's'),
)
DRIVEN = (
    ReportMetric('road.driven.curvature_rmse_10m', False, rmse(10.0, 'driven'), '1/m'),
    ReportMetric('road.driven.curvature_rmse_20m', False, rmse(20.0, 'driven'), '1/m'),
    ReportMetric('road.driven.sign_agreement', True, sign_agreement('driven')),
    ReportMetric('road.driven.coverage_95', True, coverage(TWO_SIGMA, 'driven')),
)
LATENCY = tuple(
    ReportMetric(f'latency_ms.{stage}.p{q}', False, percentile(stage, q), 'ms')
    for stage in STAGES
    for q in (50, 95, 99)
)


def section(figures: tuple[ReportMetric, ...], table: FrameTable) -> dict[str, float | None]:
    """Return figures by the last part of their path, rounded; None where not known."""
    return {figure.path.rpartition('.')[2]: rounded(figure.of(table)) for figure in figures}


def rounded(value: float | None) -> float | None:
    """Return the value to six digits behind the point, None as it is."""
    return None if value is None else round(float(value), 6)


def look_up(document: dict, path: str) -> float | None:
    """Return a figure's value in a report, None where it has none."""
    value: Any = document
    for part in path.split('.'):
        value = value.get(part) if isinstance(value, dict) else None
    return value
