"""A run under evaluation: observations come in one at a time, a folder of results comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asap_ros.bags.calibration_and_odometry import Odometry
from asap_ros.evaluation import frame_table, report, report_page
from asap_ros.evaluation.birdseye import Samples
from asap_ros.evaluation.example_frames import FrameAlbum
from asap_ros.evaluation.frame_scores import FrameScores
from asap_ros.evaluation.frame_table import FrameTable
from asap_ros.evaluation.observation import Observation
from asap_ros.evaluation.report import EvaluatedRun, MaskReference, MetricReference
from asap_ros.evaluation.report_page import RunPictures
from asap_ros.evaluation.visualisation import ContactSheet, OverlayVideo, VideoFrame, close_up
from asap_ros.labels import LabelSet
from asap_ros.road.options import RoadOptions

SHEET = 'contact_sheet.png'


@dataclass(frozen=True)
class EvaluationContext:
    """What a run is judged by; None for what there is not.

    ``labels`` are those of the judged masks; ``truth_labels`` those of metric truth;
    ``odometry`` and ``driven`` are the vehicle's velocities and their topic.
    """

    labels: LabelSet
    reference: MaskReference | None = None
    true_space: MetricReference | None = None
    true_road: MetricReference | None = None
    truth_labels: LabelSet | None = None
    odometry: Odometry | None = None
    driven: MetricReference | None = None
    options: RoadOptions = field(default_factory=RoadOptions)
    configuration: Mapping[str, object] = field(default_factory=dict)
    inputs: Sequence[Path] = ()


@dataclass(frozen=True)
class SessionResults:
    """What a session wrote: the report itself and the files, None where there was no frame."""

    document: dict
    report: Path
    page: Path
    frames: Path | None
    video: Path | None
    sheet: Path | None

    @property
    def files(self) -> list[Path]:
        """Return the files that were written, those for people first."""
        return [
            path for path in (self.page, self.report, self.frames, self.video, self.sheet) if path
        ]


class EvaluationSession:
    """Scores and pictures of one run, as a context: leaving it early leaves no half file.

    Masks are compared on the reference's grid and in the network's label set.
    """

    def __init__(self, folder: Path, context: EvaluationContext, total: int, fps: float):
        """Begin a run of ``total`` expected frames at ``fps``, its results to go to ``folder``.

        Raises OSError where the folder cannot be made, LabelError where the reference's classes
        cannot be mapped to those of the run.
        """
        self._folder, self._context, self._fps = Path(folder), context, fps
        reference = context.reference.labels if context.reference else context.truth_labels
        self._scores = FrameScores(context.labels, reference, context.options, context.odometry)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._video = OverlayVideo(
            self._folder, context.labels, fps, errors=context.reference is not None
        )
        self._sheet = ContactSheet(context.labels, total)
        self._album = FrameAlbum()
        self._samples = Samples(total)

    def __enter__(self) -> EvaluationSession:
        """Return the session."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove what an unfinished session has begun to write."""
        self._video.discard()
        self._album.close()

    def add(self, seen: Observation) -> dict[str, float]:
        """Take in one frame and return its row of ``frames.csv``.

        Raises ValueError where a mask holds foreign ids.
        """
        index = len(self._scores.rows)
        row = self._scores.add(seen)
        shot = VideoFrame(
            seen.rgb,
            seen.mask,
            self._scores.reference,
            self._title(index, row),
            seen.geometry,
            seen.space,
        )
        self._video.add(shot)
        self._sheet.add(index, shot)
        self._album.add(close_up(shot, self._context.labels))
        self._samples.add(index, row['time_s'], seen, self._scores.reference_space)
        return row

    def finish(self, run: EvaluatedRun) -> SessionResults:
        """Write report, page, table, video and contact sheet, and return them.

        Where this run makes one of these not, that of an earlier run does not stay beside them.
        """
        context, rows = self._context, FrameTable.of(self._scores.rows)
        space_truth = context.true_space
        if space_truth is None and context.reference is not None:
            space_truth = MetricReference(context.reference.topic, context.reference.kind)
        scores = {
            'segmentation': report.segmentation(
                context.labels, self._scores.matrix, context.reference, self._scores.compared
            ),
            'free_space': report.free_space(rows, space_truth),
            'road': report.road(rows, context.labels, context.true_road, context.driven),
        }
        document = report.build(
            run,
            rows,
            scores,
            context.configuration,
            [report.file_facts(path) for path in context.inputs],
        )
        video = self._video.close()
        sheet = self._sheet.write(self._folder / SHEET, self._heading(document))
        written = None
        if len(rows):
            written = self._folder / frame_table.NAME
            rows.write(written)
        for earlier in (
            *self._folder.glob('overlay.*'),
            self._folder / SHEET,
            self._folder / frame_table.NAME,
        ):
            if earlier not in (video, sheet, written):
                earlier.unlink(missing_ok=True)
        path = self._folder / 'report.json'
        report.write(document, path)
        page = report_page.write(
            self._folder / 'report.html',
            document,
            rows,
            context.labels,
            RunPictures(self._album, self._samples, video, self._fps),
        )
        return SessionResults(document, path, page, written, video, sheet)

    def _title(self, index: int, row: Mapping[str, float]) -> str:
        """Return one line about a frame."""
        parts = [f'frame {index}', f't {row["time_s"]:.2f} s']
        if not row['processed']:
            parts.append('no result')
        if np.isfinite(row.get('agreement', np.nan)):
            parts.append(f'agrees {row["agreement"]:.1%}')
        if row.get('columns'):
            parts.append(f'free space within 4 px {row["within_4px"] / row["columns"]:.0%}')
        if 'infer' in row:
            parts.append(f'{row["infer"]:.0f} ms')
        return '   '.join(parts)

    def _heading(self, document: dict) -> list[str]:
        """Return the lines above the contact sheet."""
        engine = document['engine']
        used = (
            ', '.join(engine[k] for k in ('model', 'name', 'provider', 'precision') if engine[k])
            or 'engine unknown'
        )
        lines = [f'{Path(document["source"]["bag"]).name}: {used}', report.headline(document)]
        reference = self._context.reference
        if reference and self._scores.compared:
            lines.append(
                f'Compared with {reference.topic} ({reference.kind}, {reference.labels.name})'
            )
        return lines
