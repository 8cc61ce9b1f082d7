"""What became of the frames, and how long their stages took lately."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

STAGES = ('decode', 'preprocess', 'infer', 'road', 'publish', 'total', 'age')
"""Stages of a frame in their order, milliseconds each; ``age`` is publication minus stamp."""
PERCENTILES = (50, 95, 99)


@dataclass
class Counts:
    """Frames since activation.

    ``received`` from the camera; ``processed`` to a label mask; ``dropped`` because a newer one
    was waiting; ``stale``: older than ``max_age``; ``failed``: could not be decoded or inferred.
    """

    received: int = 0
    processed: int = 0
    dropped: int = 0
    stale: int = 0
    failed: int = 0


@dataclass
class Latencies:
    """The stage times of the latest frames, as many as ``window``."""

    window: int = 300
    _frames: deque[dict[str, float]] = field(init=False)

    def __post_init__(self) -> None:
        """Start with no frame."""
        self._frames = deque(maxlen=self.window)

    def add(self, timings: dict[str, float]) -> None:
        """Add the stage times of one frame, in milliseconds."""
        self._frames.append(timings)

    def percentiles(self) -> dict[str, dict[str, float]]:
        """Return ``{stage: {'p50': …, 'p95': …, 'p99': …}}`` for the stages that were run."""
        frames = list(self._frames)
        return {
            stage: percentiles([frame[stage] for frame in frames if stage in frame])
            for stage in STAGES
            if any(stage in frame for frame in frames)
        }


def percentiles(values: list[float]) -> dict[str, float]:
    """Return p50, p95 and p99 of at least one value."""
    return {f'p{p}': float(v) for p, v in zip(PERCENTILES, np.percentile(values, PERCENTILES))}
