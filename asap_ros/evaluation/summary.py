"""All drives of one call: their headline figures, means, and those that could not be judged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from asap_ros.evaluation import report_page
from asap_ros.evaluation.report_metrics import look_up, rounded
from asap_ros.version import version

FIGURES = (
    'segmentation.drivable_iou',
    'segmentation.miou',
    'segmentation.pixel_accuracy',
    'free_space.boundary_within_4px',
    'free_space.false_free',
    'road.availability',
    'road.curvature_rmse_20m',
    'road.coverage_95',
    'latency_ms.infer.p50',
)
"""Report paths of what is told of every drive and averaged."""
WORDS = {
    'segmentation.drivable_iou': 'drivable IoU',
    'segmentation.miou': 'mIoU',
    'segmentation.pixel_accuracy': 'pixels that agree',
    'free_space.boundary_within_4px': 'within 4 px',
    'free_space.false_free': 'false-free',
    'road.availability': 'corridor',
    'road.curvature_rmse_20m': 'curvature at 20 m, 10⁻³/m',
    'road.coverage_95': '95 % band holds',
    'latency_ms.infer.p50': 'infer p50, ms',
}


def summarise(folders: Sequence[tuple[str, dict]], failed: Sequence[tuple[str, str]]) -> dict:
    """Return the summary of (folder, report) pairs and of (bag, sentence) that failed.

    Every drive weighs the same in a mean, however long; null where no drive has the figure.
    """
    drives = [
        {
            'bag': d['source']['bag'],
            'folder': folder,
            'complete': d['complete'],
            'frames': d['frames'],
            'verdict': d['verdict']['summary'],
            'good': d['verdict']['good'],
            **{path: look_up(d, path) for path in FIGURES},
        }
        for folder, d in folders
    ]
    mean = {}
    for path in FIGURES:
        known = [drive[path] for drive in drives if drive[path] is not None]
        mean[path] = rounded(sum(known) / len(known)) if known else None
    return {
        'schema': 'asap_ros/summary',
        'version': 2,
        'drives': drives,
        'mean': mean,
        'failed': [{'bag': bag, 'error': error} for bag, error in failed],
        'engine': folders[0][1]['engine'] if folders else None,
    }


def write_page(path: Path, summary: dict) -> Path:
    """Write ``index.html``: every drive with a link to its report, worst free space first."""

    def shown(figures_path: str, value: float | None) -> str:
        if value is None:
            return '–'
        if figures_path.startswith('latency'):
            return f'{value:.0f}'
        if 'rmse' in figures_path:
            return f'{1e3 * value:.2f}'
        return report_page.percent(value)

    told = [p for p in FIGURES if summary['mean'][p] is not None]
    rows = []
    for drive in summary['drives']:
        tone, mark, _ = report_page.TONES[drive['good']]
        folder = os.path.relpath(drive['folder'], path.parent)
        rows.append(
            {
                'name': Path(drive['bag']).name,
                'link': f'{folder}/report.html',
                'tone': tone,
                'mark': mark,
                'verdict': drive['verdict'],
                'frames': f'{drive["frames"]["processed"]} of {drive["frames"]["recorded"]}',
                'values': [shown(p, drive[p]) for p in told],
            }
        )
    good = sum(drive['good'] is True for drive in summary['drives'])
    judged = sum(drive['good'] is not None for drive in summary['drives'])
    every = len(summary['drives'])
    verdict = (
        f'{good} of {judged} drives meet every goal that they can tell'
        if judged
        else f'{every} drives without truth to judge by'
    )
    if summary['failed']:
        verdict += f'; {len(summary["failed"])} could not be evaluated'
    return report_page.render(
        'index.html',
        path,
        {
            'verdict': verdict,
            'head': [WORDS[p] for p in told],
            'rows': rows,
            'mean': [shown(p, summary['mean'][p]) for p in told],
            'failed': summary['failed'],
            'version': version(),
        },
    )
