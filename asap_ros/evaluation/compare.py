"""Two reports side by side: what got better and what worse, with how sure that is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asap_ros.evaluation import frame_table, report_metrics
from asap_ros.evaluation.frame_table import FrameTable, FrameTableError
from asap_ros.evaluation.report import VERSION
from asap_ros.evaluation.report_metrics import ReportMetric

COMPARED = (
    *report_metrics.SEGMENTATION,
    *report_metrics.FREE_SPACE,
    *report_metrics.ROAD,
    *report_metrics.DRIVEN,
    *(
        f
        for f in report_metrics.LATENCY
        if f.path in ('latency_ms.infer.p50', 'latency_ms.total.p95', 'latency_ms.age.p95')
    ),
)
DRAWS = 1000
BLOCK = 10
"""Frames that are drawn together: those that follow one another are wrong alike."""
FEW = 100
"""Frames below which the intervals are narrower than they should be."""
DEFAULT_LOSS = 0.02
"""Share of A's value (of 1 for shares) by which a figure may get worse."""


class CompareError(ValueError):
    """Reports that cannot be compared; the text says why."""


@dataclass(frozen=True)
class MetricChange:
    """A figure in both reports.

    ``difference`` is B's less A's; ``low`` and ``high`` bound it at 95 %, None where the frames
    are too few to tell; ``allowed`` by how much it may get worse; ``worse`` whether it did by
    more, its doubt considered.
    """

    path: str
    unit: str
    a: float
    b: float
    difference: float
    low: float | None
    high: float | None
    better: bool | None
    allowed: float
    worse: bool


def load(path: Path) -> tuple[dict, FrameTable]:
    """Return a report and the table beside it; CompareError where either cannot be used."""
    try:
        document = json.loads(path.read_text())
    except OSError as error:
        raise CompareError(f'{path} cannot be read: {error.strerror}') from error
    except ValueError as error:
        raise CompareError(f'{path} is not a report of an evaluation: {error}') from error
    if not isinstance(document, dict) or document.get('schema') != 'asap_ros/report':
        raise CompareError(f'{path} is not a report of an evaluation')
    if document.get('version') != VERSION:
        raise CompareError(
            f'{path} is of version {document.get("version")}, this software '
            f'compares version {VERSION}: evaluate the drive again'
        )
    if not document['frames']['processed']:
        raise CompareError(f'{path}: not one frame was processed, there is nothing to compare')
    try:
        return document, frame_table.read(path.with_name(frame_table.NAME))
    except OSError as error:
        raise CompareError(
            f'{path.with_name(frame_table.NAME)}, which belongs to the report, cannot be '
            f'read: {error.strerror}'
        ) from error
    except FrameTableError as error:
        raise CompareError(str(error)) from error


def compare(
    a: FrameTable, b: FrameTable, allowed: Callable[[ReportMetric, float], float], seed: int = 0
) -> list[MetricChange]:
    """Return the change of every figure that both tables tell.

    Where both hold the same frames (by stamp) blocks of frames are drawn for both at once, so
    that what is hard in a drive counts in both; otherwise each is drawn by itself.
    ``allowed`` says how much worse than a value a figure may get.
    """
    rng = np.random.default_rng(seed)
    paired = np.array_equal(a['stamp_ns'], b['stamp_ns'])
    draws = [_draw(rng, len(a)) for _ in range(DRAWS)] if len(a) else []
    other = draws if paired else ([_draw(rng, len(b)) for _ in range(DRAWS)] if len(b) else [])
    changes = []
    for figure in COMPARED:
        before, after = figure.of(a), figure.of(b)
        if before is None or after is None:
            continue
        interval = None
        # A delay is of the frames in their order; drawing them anew would break it.
        if figure.of is not report_metrics.lag_s and min(len(a), len(b)) >= 2 * BLOCK:
            interval = _interval(figure, a, b, draws, other)
        changes.append(_change(figure, before, after, interval, allowed(figure, before)))
    return changes


def limits(
    given: Sequence[str], loss: float = DEFAULT_LOSS
) -> Callable[[ReportMetric, float], float]:
    """Return how much worse figures may get: ``PATH=AMOUNT`` each, others by ``loss``.

    ``loss`` is a share of A's value, for shares an amount. Raises CompareError for a path that
    is none or an amount that is no number of at least 0.
    """
    stated = {}
    for text in given:
        path, _, amount = text.partition('=')
        if path not in {f.path for f in COMPARED}:
            raise CompareError(
                f'there is no figure {path!r} to compare; there are '
                f'{", ".join(f.path for f in COMPARED)}'
            )
        try:
            stated[path] = float(amount)
        except ValueError:
            stated[path] = -1.0
        if not stated[path] >= 0:
            raise CompareError(
                f'{text}: give by how much the figure may get worse, such as {path}=0.02'
            )

    def allowed(figure: ReportMetric, value: float) -> float:
        if figure.path in stated:
            return stated[figure.path]
        return loss * abs(value) if figure.unit else loss

    return allowed


def text(changes: Sequence[MetricChange], a: str, b: str) -> str:
    """Return the comparison of the reports at ``a`` and ``b`` as a table for a terminal."""
    head = ('figure', 'A', 'B', 'B - A', '95 % of B - A', '')
    rows = [head]
    for c in changes:
        span = '' if c.low is None else f'{c.low:+.4g} … {c.high:+.4g}'
        mark = (
            'WORSE'
            if c.worse
            else {True: 'better', False: 'worse, within limits', None: ''}[c.better]
        )
        unit = f' ({c.unit})' if c.unit else ''
        rows.append(
            (c.path + unit, f'{c.a:.5g}', f'{c.b:.5g}', f'{c.difference:+.4g}', span, mark)
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
    lines = [
        '  '.join(
            cell.ljust(width) if k in (0, 5) else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, '-' * max(map(len, lines)))
    return '\n'.join([f'A: {a}', f'B: {b}', '', *lines])


def _change(
    figure: ReportMetric,
    a: float,
    b: float,
    interval: tuple[float, float] | None,
    allowed: float,
) -> MetricChange:
    gain = 1 if figure.higher_is_better else -1
    difference = b - a
    better: bool | None = None
    sure_loss = -gain * difference
    low = high = None
    if interval is not None:
        low, high = interval
        if low > 0 or high < 0:
            better = bool(gain * difference > 0)
        # What is surely lost: the end of the interval that is kindest to B.
        sure_loss = -(high if gain > 0 else -low)
    elif difference:
        better = bool(gain * difference > 0)
    worse = -gain * difference > allowed and sure_loss > 0
    return MetricChange(
        figure.path, figure.unit, a, b, difference, low, high, better, allowed, worse
    )


def _interval(
    figure: ReportMetric,
    a: FrameTable,
    b: FrameTable,
    draws: Sequence[np.ndarray],
    other: Sequence[np.ndarray],
) -> tuple[float, float] | None:
    """Return the 95 % interval of B's figure less A's, None where too few draws tell it."""
    found = []
    for mine, theirs in zip(draws, other):
        before, after = figure.of(a.take(mine)), figure.of(b.take(theirs))
        if before is not None and after is not None:
            found.append(after - before)
    if len(found) < DRAWS // 2:
        return None
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


def _draw(rng: np.random.Generator, count: int) -> np.ndarray:
    """Return ``count`` rows drawn in blocks of frames that follow one another, int (count,)."""
    starts = rng.integers(0, count, -(-count // BLOCK))
    return ((starts[:, None] + np.arange(BLOCK)) % count).ravel()[:count]
