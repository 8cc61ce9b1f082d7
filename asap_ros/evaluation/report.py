"""The report of an evaluation: one versioned document, null wherever nothing is known.

Its schema is config/report.schema.json.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from asap_ros import resources
from asap_ros.evaluation.metrics import ConfusionMatrix
from asap_ros.labels import LabelSet, Role

SCHEMA = 'config/report.schema.json'
VERSION = 1
STAGES = ('decode', 'preprocess', 'infer', 'road', 'publish', 'total', 'age')
ENGINE = ('name', 'provider', 'precision', 'model', 'model_sha256')
FREE_SPACE = ('boundary_within_4px', 'false_free', 'obstacle_recall', 'range_mae_m')
ROAD = ('availability', 'curvature_rmse_10m', 'curvature_rmse_20m', 'lateral_mae_m',
        'coverage_68', 'coverage_95')


@dataclass(frozen=True)
class Source:
    """What was evaluated and how.

    ``bag`` is its path, ``mode`` one of ``lockstep``, ``paced`` (both through the live node) and
    ``offline``; ``rate`` is the pace where there was one; ``damage`` is the bag's own sentence.
    """

    bag: str
    image_topic: str
    mode: str
    rate: float | None = None
    damage: str | None = None


@dataclass(frozen=True)
class Reference:
    """What masks were compared with: a topic, its label set, and how far to believe it.

    ``kind`` is ``hand labels`` or ``predictions``, the latter of another network.
    """

    topic: str
    labels: LabelSet
    kind: str


@dataclass(frozen=True)
class FrameCounts:
    """Frames in the bag, of those sent, and what became of them in the segmenter."""

    recorded: int
    sent: int
    received: int
    processed: int
    dropped: int = 0
    stale: int = 0
    failed: int = 0


def schema() -> dict:
    """Return the JSON schema of a report."""
    return json.loads(resources.find(SCHEMA).read_text())


def percentiles(values: Iterable[float]) -> dict[str, float | None]:
    """Return p50, p95 and p99 of the finite values, None without any."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return {'p50': None, 'p95': None, 'p99': None}
    return {f'p{q}': _rounded(np.percentile(finite, q)) for q in (50, 95, 99)}


def latencies(timings: Iterable[Mapping[str, float]]) -> dict:
    """Return the percentiles of every stage from one mapping of stage to ms a frame."""
    timings = list(timings)
    return {stage: percentiles(t[stage] for t in timings if stage in t) for stage in STAGES}


def segmentation(labels: LabelSet, matrix: ConfusionMatrix, reference: Reference | None,
                 frames: int) -> dict:
    """Return the scores of masks in ``labels`` counted over ``frames`` compared frames."""
    return {
        'labels': labels.name,
        'reference': reference and {
            'topic': reference.topic, 'labels': reference.labels.name, 'kind': reference.kind},
        'frames_compared': frames,
        'miou': _rounded(matrix.miou()),
        'pixel_accuracy': _rounded(matrix.pixel_accuracy()),
        'drivable_iou': _rounded(matrix.group_iou(labels.is_role(Role.DRIVABLE))),
        'per_class': {name: _rounded(iou) for name, iou in zip(labels.names, matrix.iou())},
    }


def build(source: Source, frames: FrameCounts, timings: Iterable[Mapping[str, float]],
          scores: dict, engine: Mapping[str, str] | None = None, complete: bool = True) -> dict:
    """Return the report as plain dicts, lists, numbers and strings.

    ``scores`` is what ``segmentation`` returned; ``engine`` the engine's facts, those missing
    become null; ``complete`` is False for a run that was ended before its last frame.
    """
    return {
        'schema': 'asap_ros/report',
        'version': VERSION,
        'complete': complete,
        'source': asdict(source),
        'frames': asdict(frames),
        'latency_ms': latencies(timings),
        'segmentation': scores,
        'free_space': dict.fromkeys(FREE_SPACE),
        'road': dict.fromkeys(ROAD),
        'engine': {key: (engine or {}).get(key) or None for key in ENGINE},
    }


def headline(report: dict) -> str:
    """Return the report in one line for a terminal."""
    frames, scores = report['frames'], report['segmentation']
    line = f'{frames["processed"]} of {frames["recorded"]} frames processed'
    if not report['complete']:
        line += ' (ended early)'
    if frames['failed']:
        line += f', {frames["failed"]} failed'
    if scores['frames_compared']:
        line += (f'; drivable IoU {_shown(scores["drivable_iou"], "{:.3f}")}, '
                 f'mIoU {_shown(scores["miou"], "{:.3f}")}, '
                 f'pixel agreement {_shown(scores["pixel_accuracy"], "{:.1%}")}')
    return line + f'; infer p50 {_shown(report["latency_ms"]["infer"]["p50"], "{:.0f} ms")}'


def write(document: dict, path: Path) -> None:
    """Write a document as JSON in one step: a reader sees the old file or the new, no half."""
    partial = path.with_name(f'.{path.name}.partial')
    partial.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + '\n')
    os.replace(partial, path)


def _rounded(value: float | None) -> float | None:
    """Return the value to six digits behind the point, None as it is."""
    return None if value is None else round(float(value), 6)


def _shown(value: float | None, form: str) -> str:
    """Return a number in words, or that there is none."""
    return 'unknown' if value is None else form.format(value)
