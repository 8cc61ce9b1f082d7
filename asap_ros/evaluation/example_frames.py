"""The frames that a reader should look at: kept as they come, chosen when all are known."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import cv2
import numpy as np

from asap_ros.evaluation.frame_table import FrameTable
from asap_ros.evaluation.report_metrics import errors

WORST = 12
QUALITY = 78
"""Of the JPEG pictures."""


@dataclass(frozen=True)
class Concern:
    """A reason to look at a frame: ``words`` with its figure, ``severity`` float (n,).

    NaN where the frame is beyond reproach in this respect.
    """

    words: str
    severity: np.ndarray


@dataclass(frozen=True)
class ExampleFrame:
    """A frame to show: its row in the table and why."""

    row: int
    why: str


class FrameAlbum:
    """JPEG pictures of every frame, in a temporary file that ends with the album."""

    def __init__(self) -> None:
        """Start empty."""
        self._file = tempfile.TemporaryFile()
        self._places: list[tuple[int, int]] = []

    def add(self, rgb: np.ndarray) -> None:
        """Keep a picture uint8 (h, w, 3)."""
        data = cv2.imencode(
            '.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
        )[1].tobytes()
        self._places.append((self._file.tell(), len(data)))
        self._file.write(data)

    def jpeg(self, row: int) -> bytes:
        """Return the JPEG file of the row'th picture; only after the last was added."""
        begin, size = self._places[row]
        self._file.seek(begin)
        return self._file.read(size)

    def close(self) -> None:
        """Drop all pictures."""
        self._file.close()


def concerns(table: FrameTable) -> list[Concern]:
    """Return what can be wrong with the frames of a run, the gravest first."""

    def above(values: np.ndarray, least: float = 0.0) -> np.ndarray:
        return np.where(values > least, values, np.nan)

    with np.errstate(invalid='ignore', divide='ignore'):
        return [
            Concern('no result', above(1.0 - table['processed'])),
            Concern(
                '{:.1f} % of columns called free that are not',
                above(100 * table['false_free'] / table['columns']),
            ),
            Concern(
                '{:.1f} % of columns off by more than 4 px',
                above(100 - 100 * table['within_4px'] / table['columns']),
            ),
            Concern('curvature at 20 m wrong by {:.4f} 1/m', above(np.abs(errors(table, 20.0)))),
            Concern('no corridor', above(1 - table['valid'])),
            Concern(
                '{:.1f} % of pixels differ from the reference',
                above(100 - 100 * table['agreement']),
            ),
            Concern(
                'curvature at 20 m {:.4f} 1/m off the path driven',
                above(np.abs(errors(table, 20.0, 'driven'))),
            ),
            Concern(
                '{:.0f} ms for the network', above(table['infer'], 1.5 * _median(table['infer']))
            ),
        ]


def worst(table: FrameTable, count: int = WORST) -> list[ExampleFrame]:
    """Return the frames most worth a look: the worst of each concern in turn, worst first."""
    queues = []
    for concern in concerns(table):
        rows = np.flatnonzero(np.isfinite(concern.severity))
        order = rows[np.argsort(-concern.severity[rows], kind='stable')]
        queues.append(
            [ExampleFrame(int(r), concern.words.format(concern.severity[r])) for r in order]
        )
    chosen: dict[int, ExampleFrame] = {}
    while any(queues) and len(chosen) < count:
        for queue in queues:
            while queue and queue[0].row in chosen:
                queue.pop(0)
            if queue and len(chosen) < count:
                choice = queue.pop(0)
                chosen[choice.row] = choice
    return list(chosen.values())


def _median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.inf
