"""``report.html``: the report to look at, one file that needs nothing else."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path

import jinja2
import numpy as np

from asap_ros import resources
from asap_ros.evaluation import example_frames as albums
from asap_ros.evaluation import plots
from asap_ros.evaluation.acceptance import NO_BREAK
from asap_ros.evaluation.birdseye import Samples
from asap_ros.evaluation.example_frames import FrameAlbum
from asap_ros.evaluation.frame_table import FrameTable
from asap_ros.evaluation.report_metrics import DRIVEN, ROAD, STAGES, ReportMetric, look_up
from asap_ros.labels import LabelSet
from asap_ros.version import version

PAGES = 'config/pages'
TONES = {
    True: ('good', '✓', 'meets the goal'),
    False: ('bad', '✗', 'misses the goal'),
    None: ('unknown', '–', 'no truth; goal'),
}
KINDS = {
    'ground truth': 'ground truth',
    'true labels': 'true labels',
    'predictions': 'the predictions of another network, which are no truth',
    'odometry': 'the path that was then driven',
}
NAMES = {
    'availability': 'frames with a valid corridor',
    'curvature_rmse_10m': 'curvature RMSE at 10 m',
    'curvature_rmse_20m': 'curvature RMSE at 20 m',
    'lateral_mae_m': 'mean error of the lateral offset',
    'sign_agreement': 'direction of bends told rightly',
    'coverage_68': 'truth within the 68 % band',
    'coverage_95': 'truth within the 95 % band',
    'lag_s': 'lag behind a step of curvature',
    'driven.curvature_rmse_10m': 'curvature RMSE at 10 m, against the path driven',
    'driven.curvature_rmse_20m': 'curvature RMSE at 20 m, against the path driven',
    'driven.sign_agreement': 'direction of bends, against the path driven',
    'driven.coverage_95': 'path driven within the 95 % band',
}


@dataclass(frozen=True)
class RunPictures:
    """What was seen on a run.

    ``album`` holds a picture a row of the table; ``video`` lies beside the page and shows a row
    a frame at ``fps``, None where there was no frame.
    """

    album: FrameAlbum
    samples: Samples
    video: Path | None
    fps: float


def write(
    path: Path,
    document: dict,
    table: FrameTable,
    labels: LabelSet,
    pictures: RunPictures,
) -> Path:
    """Write the page of a report in one step and return its path."""
    context = {
        **head(document),
        'version': version(),
        'corridor': _corridor(document, table),
        'space': _space(document, table),
        'classes': _classes(document, labels),
        'time': _time(document, table),
        'moments': [
            {'svg': plots.birdseye(m), 'words': f'Frame {m.row}'} for m in pictures.samples.moments
        ],
        'frames': _frames(table, pictures),
        'no_frames': 'Nothing stands out.' if len(table) else 'There was no frame.',
        'configuration': _configuration(document),
        'files': document['files'],
    }
    context['parts'] = [
        (anchor, words)
        for anchor, words, shown in (
            ('corridor', 'Corridor', context['corridor']),
            ('space', 'Free space', context['space']),
            ('classes', 'Classes', context['classes']),
            ('frames', 'Worst frames', True),
            ('time', 'Time', True),
            ('how', 'How it was made', True),
        )
        if shown
    ]
    return render('report.html', path, context)


def render(template: str, path: Path, context: dict) -> Path:
    """Write a page of a packaged template in one step and return its path."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.find(PAGES)),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    partial = path.with_name(f'.{path.name}.partial')
    partial.write_text(environment.get_template(template).render(context), encoding='utf-8')
    os.replace(partial, path)
    return path


def head(document: dict) -> dict:
    """Return what stands above all: the name, the verdict and its checks."""
    verdict, source, engine = document['verdict'], document['source'], document['engine']
    tone, mark, _ = TONES[verdict['good']]
    used = ', '.join(engine[k] for k in ('model', 'name', 'precision') if engine[k])
    mode = {
        'offline': 'every frame once',
        'lockstep': 'live node, frame by frame',
        'paced': 'live node at the recorded pace',
    }[source['mode']]
    checks = []
    for check in verdict['checks']:
        tone_, mark_, words = TONES[check['met']]
        checks.append({**check, 'tone': tone_, 'mark': mark_, 'verdict': words})
    notes = [f'The bag: {source["damage"]}'] if source['damage'] else []
    if not document['complete']:
        notes.append('The run was ended early: these are the figures of the frames until then.')
    if document['frames']['failed']:
        notes.append(
            f'{document["frames"]["failed"]} frames could not be read or had no result; '
            'the others are judged.'
        )
    notes += document['warnings']
    return {
        'name': Path(source['bag']).name,
        'subtitle': ' · '.join(p for p in (used, mode, source['image_topic']) if p),
        'verdict': verdict,
        'tone': tone,
        'mark': mark,
        'checks': checks,
        'notes': notes,
        'lead': _lead(document),
    }


def percent(value: float | None) -> str:
    """Return a share in words."""
    return '–' if value is None else f'{100 * value:.1f} %'


def _lead(document: dict) -> str:
    frames = document['frames']
    against = {
        kind
        for part in ('segmentation', 'free_space', 'road')
        if (r := document[part]['reference']) and (kind := r['kind'])
    }
    words = ' and '.join(KINDS[k] for k in sorted(against)) or 'nothing: the bag holds no truth'
    return (
        f'{frames["processed"]} of {frames["recorded"]} frames were processed. '
        f'Compared with {words}.'
    )


def _corridor(document: dict, table: FrameTable) -> dict | None:
    road = document['road']
    if not road['frames_answered'] or road['availability'] is None:
        return None
    shown = []
    for metres in (20, 10):
        wide = plots.curvature(table, metres, plots.WIDE)
        if wide:
            shown.append(
                {
                    'svg': wide,
                    'narrow': plots.curvature(table, metres, plots.NARROW),
                    'words': f'Curvature {metres} m ahead; positive bends to the left. '
                    'Gaps: nothing was told so far ahead.',
                }
            )
    rows = [
        (NAMES[f.path.removeprefix('road.')], _figure(f, document))
        for f in (*ROAD, *DRIVEN)
        if look_up(document, f.path) is not None
    ]
    counts = [
        (
            'nothing ends it in view'
            if name == 'nothing'
            else f'ends at {name.replace("_", " ")}',
            str(n),
        )
        for name, n in sorted(road['blockers'].items(), key=lambda item: -item[1])
    ]
    counts += [(name, str(n)) for name, n in road['status'].items()]
    held = [r['kind'] for r in (road['reference'], road['driven']['reference']) if r]
    against = ' and '.join(KINDS[k] for k in held) or 'nothing: the bag holds no true road'
    return {
        'plots': shown,
        'rows': rows,
        'counts': counts,
        'words': f'A valid corridor in {percent(road["availability"])} of '
        f'{road["frames_answered"]} frames. Held against {against}.',
    }


def _space(document: dict, table: FrameTable) -> dict | None:
    space = document['free_space']
    if not space['columns_compared']:
        return None
    rows = [
        (
            name.replace('_', ' '),
            f'{c["columns"]:,}',
            percent(c['within_4px']),
            percent(c['false_free']),
        )
        for name, c in sorted(space['per_class'].items(), key=lambda i: -i[1]['columns'])
        if c['columns']
    ]
    within = {
        name: c['within_4px']
        for name, c in sorted(space['per_class'].items(), key=lambda i: -i[1]['columns'])
        if c['columns']
    }
    words = (
        f'Where it ends in each column of the mask, held against '
        f'{KINDS[space["reference"]["kind"]]} ({space["reference"]["topic"]}): within 4 px '
        f'in {percent(space["boundary_within_4px"])}, further than it is by more than 4 px '
        f'in {percent(space["false_free"])} of {space["columns_compared"]:,} columns. '
        f'Obstacles found: {percent(space["obstacle_recall"])}.'
    )
    if space['range_mae_m'] is not None:
        words += f' Mean error of the range: {space["range_mae_m"]:.2f} m.'
    return {
        'words': words,
        'rows': rows,
        'bars': plots.bars(within, '% of columns', 'within'),
        'time': plots.free_columns(table, plots.WIDE),
        'time_narrow': plots.free_columns(table, plots.NARROW),
    }


def _classes(document: dict, labels: LabelSet) -> dict | None:
    scores = document['segmentation']
    if not scores['frames_compared']:
        return None
    words = (
        f'{scores["frames_compared"]} masks held against {scores["reference"]["topic"]}, '
        f'{KINDS[scores["reference"]["kind"]]}: mean IoU {percent(scores["miou"])}, '
        f'{percent(scores["pixel_accuracy"])} of pixels agree, drivable IoU '
        f'{percent(scores["drivable_iou"])}.'
    )
    return {
        'words': words,
        'bars': plots.bars(scores['per_class'], 'IoU, %', 'iou'),
        'confusion': plots.confusion(np.array(scores['confusion']), list(labels.names)),
    }


def _time(document: dict, table: FrameTable) -> dict:
    latency, frames = document['latency_ms'], document['frames']
    rows = [
        (stage, *(f'{latency[stage][q]:.1f}' for q in ('p50', 'p95', 'p99')))
        for stage in STAGES
        if latency[stage]['p50'] is not None
    ]
    live = document['source']['mode'] != 'offline'
    return {
        'histogram': plots.latency(table),
        'rows': rows,
        'frames': [(name, str(count)) for name, count in frames.items()],
        'words': 'As the live node states it; age is from sending a frame to its mask.'
        if live
        else 'Offline: what the machine took for each frame, with nothing dropped.',
    }


def _frames(table: FrameTable, pictures: RunPictures) -> list[dict]:
    video = pictures.video
    return [
        {
            'row': choice.row,
            'why': choice.why,
            'time': f'{table["time_s"][choice.row]:.2f}',
            'jpeg': base64.b64encode(pictures.album.jpeg(choice.row)).decode(),
            'link': f'{video.name}#t={choice.row / pictures.fps:.3f}' if video else '',
        }
        for choice in albums.worst(table)
    ]


def _configuration(document: dict) -> list[tuple[str, object]]:
    source = {f'source.{k}': v for k, v in document['source'].items() if v is not None}
    engine = {f'engine.{k}': v for k, v in document['engine'].items() if v is not None}
    return [*source.items(), *engine.items(), *document['configuration'].items()]


def _figure(figure: ReportMetric, document: dict) -> str:
    value = look_up(document, figure.path)
    if value is None:
        return '–'
    if figure.unit == '1/m':
        return f'{1e3 * value:.2f}{NO_BREAK}·{NO_BREAK}10⁻³/m'
    return f'{value:.2f} {figure.unit}' if figure.unit else percent(value)
