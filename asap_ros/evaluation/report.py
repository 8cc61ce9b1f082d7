"""The report of an evaluation: one versioned document, null wherever nothing is known.

Its schema is config/report.schema.json.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from asap_ros import resources
from asap_ros.evaluation import acceptance, report_metrics
from asap_ros.evaluation.frame_table import FrameTable
from asap_ros.evaluation.report_metrics import STAGES, rounded
from asap_ros.evaluation.segmentation_metrics import ConfusionMatrix
from asap_ros.labels import LabelSet, Role
from asap_ros.road.geometry import NO_BLOCKER, Status

SCHEMA = 'config/report.schema.json'
VERSION = 2
WARNINGS = 20
ENGINE = ('name', 'provider', 'precision', 'model', 'model_sha256')


@dataclass(frozen=True)
class EvaluatedDrive:
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
class MaskReference:
    """What masks were compared with: a topic, its label set, and how far to believe it.

    ``kind`` is ``true labels`` or ``predictions``, the latter of another network.
    """

    topic: str
    labels: LabelSet
    kind: str


@dataclass(frozen=True)
class MetricReference:
    """What metric results were held against: a topic, and how far to believe it.

    ``kind`` is ``ground truth``, ``true labels``, ``predictions`` (boundaries in another
    network's masks) or ``odometry`` (the path that was driven, which need not be the road's).
    """

    topic: str
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


@dataclass(frozen=True)
class EvaluatedRun:
    """How a run over a drive went.

    ``engine`` holds the engine's facts, None where they are not known; ``complete`` is False for
    a run that was ended before its last frame; ``warnings`` say what went wrong on the way.
    """

    drive: EvaluatedDrive
    frames: FrameCounts
    engine: Mapping[str, str] | None = None
    complete: bool = True
    warnings: Sequence[str] = ()


def schema() -> dict:
    """Return the JSON schema of a report."""
    return json.loads(resources.find(SCHEMA).read_text())


def segmentation(
    labels: LabelSet, matrix: ConfusionMatrix, reference: MaskReference | None, frames: int
) -> dict:
    """Return the scores of masks in ``labels`` counted over ``frames`` compared frames."""
    return {
        'labels': labels.name,
        'reference': reference
        and {'topic': reference.topic, 'labels': reference.labels.name, 'kind': reference.kind},
        'frames_compared': frames,
        'miou': rounded(matrix.miou()),
        'pixel_accuracy': rounded(matrix.pixel_accuracy()),
        'drivable_iou': rounded(matrix.group_iou(labels.is_role(Role.DRIVABLE))),
        'per_class': {name: rounded(iou) for name, iou in zip(labels.names, matrix.iou())},
        'confusion': matrix.counts.tolist() if frames else None,
    }


def free_space(table: FrameTable, truth: MetricReference | None) -> dict:
    """Return the scores of the free space's boundary; ``truth`` is what it was held against."""
    columns = table['columns']
    return {
        'reference': truth and asdict(truth),
        'frames_compared': int(np.isfinite(columns).sum()),
        'columns_compared': int(np.nansum(columns)),
        **report_metrics.section(report_metrics.FREE_SPACE, table),
        'per_class': {
            name: {
                'columns': int(np.nansum(table[f'columns.{name}'])),
                **{
                    kind: rounded(report_metrics.share(f'{kind}.{name}', f'columns.{name}')(table))
                    for kind in ('within_4px', 'false_free')
                },
            }
            for name in sorted(table.below('columns'))
        },
    }


def road(
    table: FrameTable,
    labels: LabelSet,
    truth: MetricReference | None,
    driven: MetricReference | None,
) -> dict:
    """Return the scores of the corridor and what it says of itself.

    ``truth`` is the true road, ``driven`` the odometry whose path stands in for it.
    """
    valid = table['valid']
    said = np.isfinite(valid)
    bits = table['status'][said].astype(int)
    blockers = table['blocker'][said & (valid == 1)].astype(int)
    names = {NO_BLOCKER: 'nothing', **dict(enumerate(labels.names))}
    return {
        'reference': truth and asdict(truth),
        'frames_answered': int(said.sum()),
        'frames_compared': _judged(table, 'true'),
        **report_metrics.section(report_metrics.ROAD, table),
        'status': {bit.name: int((bits & bit != 0).sum()) for bit in Status if (bits & bit).any()},
        'blockers': {
            names.get(k, str(k)): int((blockers == k).sum()) for k in np.unique(blockers)
        },
        'driven': {
            'reference': driven and asdict(driven),
            'frames_compared': _judged(table, 'driven'),
            **report_metrics.section(report_metrics.DRIVEN, table),
        },
    }


def build(
    run: EvaluatedRun,
    table: FrameTable,
    scores: Mapping[str, dict],
    configuration: Mapping[str, object] | None = None,
    files: Iterable[dict] = (),
) -> dict:
    """Return the report as plain dicts, lists, numbers and strings.

    ``scores`` holds what ``segmentation``, ``free_space`` and ``road`` returned, under these
    names; ``configuration`` how it was run; ``files`` what ``file_facts`` returned for the files
    that went in. Facts of the engine that are missing become null; of the warnings the first
    WARNINGS are kept.
    """
    warnings = list(run.warnings)
    if len(warnings) > WARNINGS:
        warnings[WARNINGS:] = [f'and {len(warnings) - WARNINGS} more like these']
    document = {
        'schema': 'asap_ros/report',
        'version': VERSION,
        'complete': run.complete,
        'source': asdict(run.drive),
        'frames': asdict(run.frames),
        'latency_ms': {
            stage: {
                f'p{q}': rounded(report_metrics.percentile(stage, q)(table)) for q in (50, 95, 99)
            }
            for stage in STAGES
        },
        **{name: scores[name] for name in ('segmentation', 'free_space', 'road')},
        'engine': {key: (run.engine or {}).get(key) or None for key in ENGINE},
        'configuration': dict(configuration or {}),
        'files': list(files),
        'warnings': warnings,
    }
    return {**document, 'verdict': acceptance.verdict(document)}


def file_facts(path: Path) -> dict:
    """Return a file's name, size in bytes and SHA-256."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {'path': str(path), 'bytes': path.stat().st_size, 'sha256': digest.hexdigest()}


def _judged(table: FrameTable, truth: str) -> int:
    """Return the number of frames whose curvature was compared at 10 or 20 m."""
    return int(
        np.logical_or(
            *(np.isfinite(report_metrics.errors(table, s, truth)) for s in report_metrics.AHEAD)
        ).sum()
    )


def headline(report: dict) -> str:
    """Return the report in one line for a terminal."""
    frames, scores = report['frames'], report['segmentation']
    line = f'{frames["processed"]} of {frames["recorded"]} frames processed'
    if not report['complete']:
        line += ' (ended early)'
    if frames['failed']:
        line += f', {frames["failed"]} failed'
    if scores['frames_compared']:
        line += (
            f'; drivable IoU {_shown(scores["drivable_iou"], "{:.3f}")}, '
            f'mIoU {_shown(scores["miou"], "{:.3f}")}, '
            f'pixel agreement {_shown(scores["pixel_accuracy"], "{:.1%}")}'
        )
    space, corridor = report['free_space'], report['road']
    if space['columns_compared']:
        line += (
            f'; free space within 4 px in {_shown(space["boundary_within_4px"], "{:.1%}")}, '
            f'false-free {_shown(space["false_free"], "{:.1%}")}'
        )
    if corridor['availability'] is not None:
        line += f'; corridor in {corridor["availability"]:.0%}'
    if corridor['curvature_rmse_20m'] is not None:
        line += f', curvature RMSE at 20 m {corridor["curvature_rmse_20m"]:.2g} 1/m'
    return line + f'; infer p50 {_shown(report["latency_ms"]["infer"]["p50"], "{:.0f} ms")}'


def write(document: dict, path: Path) -> None:
    """Write a document as JSON in one step: a reader sees the old file or the new, no half."""
    partial = path.with_name(f'.{path.name}.partial')
    partial.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + '\n')
    os.replace(partial, path)


def _shown(value: float | None, form: str) -> str:
    """Return a number in words, or that there is none."""
    return 'unknown' if value is None else form.format(value)
