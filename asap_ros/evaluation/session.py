"""A run under evaluation: frames and results come in one at a time, a folder comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from asap_ros import overlay
from asap_ros.evaluation import report
from asap_ros.evaluation.metrics import ConfusionMatrix, accuracy
from asap_ros.evaluation.pictures import ContactSheet, Shot, Video
from asap_ros.evaluation.report import FrameCounts, Reference, Source
from asap_ros.labels import LabelSet


@dataclass(frozen=True)
class Results:
    """What a session wrote: the report itself and the files, None where there was no frame."""

    document: dict
    report: Path
    video: Path | None
    sheet: Path | None

    @property
    def files(self) -> list[Path]:
        """Return the files that were written."""
        return [path for path in (self.report, self.video, self.sheet) if path]


class Session:
    """Scores and pictures of one run, as a context: leaving it early leaves no half file.

    Masks are compared on the reference's grid and in the network's label set.
    """

    def __init__(self, folder: Path, labels: LabelSet, reference: Reference | None,
                 total: int, fps: float):
        """Begin a run of ``total`` expected frames at ``fps``, its results to go to ``folder``.

        Raises OSError where the folder cannot be made, LabelError where the reference's classes
        cannot be mapped to ``labels``.
        """
        self._folder = Path(folder)
        self._labels = labels
        self._reference = reference
        self._mapping = reference.labels.mapping_to(labels) if reference else None
        self._matrix = ConfusionMatrix(len(labels))
        self._timings: list[Mapping[str, float]] = []
        self._compared = 0
        self._seen = 0
        self._start_ns: int | None = None
        self._folder.mkdir(parents=True, exist_ok=True)
        self._video = Video(self._folder, labels, fps, errors=reference is not None)
        self._sheet = ContactSheet(labels, total)

    def __enter__(self) -> Session:
        """Return the session."""
        return self

    def __exit__(self, *exception) -> None:
        """Remove what an unfinished session has begun to write."""
        self._video.discard()

    def add(self, rgb: np.ndarray, mask: np.ndarray | None, stamp_ns: int,
            reference: np.ndarray | None = None,
            timings: Mapping[str, float] | None = None) -> float | None:
        """Take in one frame and return its share of pixels that agree, None if not compared.

        ``rgb`` is uint8 (H, W, 3); ``mask`` uint8 (h, w) in the session's label set, None for a
        frame without a result; ``reference`` uint8 in the reference's own label set;
        ``timings`` maps stages to ms. Raises ValueError where a mask holds foreign ids.
        """
        agreement = None
        if timings:
            self._timings.append(timings)
        if reference is not None:
            reference = cv2.LUT(reference, self._mapping)
            if mask is not None:
                enlarged = overlay.resize_mask(mask, reference.shape)
                agreement = accuracy(self._matrix.add(enlarged, reference))
                self._compared += 1
        if self._start_ns is None:
            self._start_ns = stamp_ns
        shot = Shot(rgb, mask, reference, self._title(mask, stamp_ns, agreement, timings))
        self._video.add(shot)
        self._sheet.add(self._seen, shot)
        self._seen += 1
        return agreement

    def finish(self, source: Source, frames: FrameCounts,
               engine: Mapping[str, str] | None = None, complete: bool = True) -> Results:
        """Write report, video and contact sheet, and return them."""
        scores = report.segmentation(self._labels, self._matrix, self._reference, self._compared)
        document = report.build(source, frames, self._timings, scores, engine, complete)
        video = self._video.close()
        sheet = self._sheet.write(self._folder / 'contact_sheet.png', self._heading(document))
        path = self._folder / 'report.json'
        report.write(document, path)
        return Results(document, path, video, sheet)

    def _title(self, mask: np.ndarray | None, stamp_ns: int, agreement: float | None,
               timings: Mapping[str, float] | None) -> str:
        """Return one line about a frame."""
        parts = [f'frame {self._seen}', f't {(stamp_ns - self._start_ns) / 1e9:.2f} s']
        if mask is None:
            parts.append('no result')
        if agreement is not None:
            parts.append(f'agrees {agreement:.1%}')
        if timings and 'infer' in timings:
            parts.append(f'{timings["infer"]:.0f} ms')
        return '   '.join(parts)

    def _heading(self, document: dict) -> list[str]:
        """Return the lines above the contact sheet."""
        engine = document['engine']
        used = ', '.join(engine[k] for k in ('model', 'name', 'provider', 'precision')
                         if engine[k]) or 'engine unknown'
        lines = [f'{Path(document["source"]["bag"]).name}: {used}', report.headline(document)]
        if self._reference and self._compared:
            lines.append(f'Compared with {self._reference.topic} ({self._reference.kind}, '
                         f'{self._reference.labels.name})')
        return lines
