"""What every engine is: a batch of frames in, label masks and confidences out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

import numpy as np

from asap_ros.segmentation.model_file import STRIDE, GoldenFrame

GOLDEN_AGREEMENT = 0.995
"""Least share of the golden frame's pixels that an engine must label as expected."""

ReportProgress = Callable[[str, float], None]
"""Takes the phase of a build and the share of the whole that is done, 0 to 1."""


class EngineError(RuntimeError):
    """An engine that cannot be had or cannot go on; the message says what to do."""


class DeviceError(EngineError):
    """An error of the device: the engine runs again once it is reopened, or never."""


class Severity(Enum):
    """How much an event matters to whoever runs the vehicle."""

    INFO = 'info'
    WARNING = 'warning'
    ERROR = 'error'


Notify = Callable[[Severity, str], None]
"""Takes an event of an engine: how much it matters, and a sentence."""


def ignore_events(severity: Severity, text: str) -> None:
    """Take an event that nobody asks for."""


@dataclass(frozen=True)
class EngineFacts:
    """What is actually in use, as diagnostics and reports state it.

    ``name``, ``provider`` and ``precision``: see ``Engine``. ``golden_agreement``: share of the
    golden frame's pixels labelled as expected; ``golden_deviation``: how many of its pixels are
    not. ``details``: what else the engine states of itself.
    """

    name: str
    provider: str
    precision: str
    golden_agreement: float
    golden_deviation: int = 0
    details: dict[str, str] = field(default_factory=dict)


class Engine(Protocol):
    """A network ready to run, for one thread at a time.

    ``name``: of the runtime; ``provider``: what it computes on; ``precision``: such as ``fp16``.
    """

    name: str
    provider: str
    precision: str

    def infer(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return labels, uint8 (B, H, W), and confidence, uint8 (B, H/s, W/s).

        ``frames``: uint8 RGB (B, H, W, 3), contiguous. Raises ValueError where that does not
        hold, DeviceError where the engine must be reopened first, EngineError where the runtime
        fails or the engine is closed.
        """

    def details(self) -> dict[str, str]:
        """Return what else diagnostics state of it, by key."""

    def reopen(self) -> None:
        """Load the network anew on a fresh device context. Raises EngineError."""

    def close(self) -> None:
        """Free everything; safe to call again."""


@dataclass(frozen=True)
class VerifiedEngine:
    """An engine that has reproduced the golden frame; ``verify`` runs the frame again."""

    engine: Engine
    facts: EngineFacts
    verify: Callable[[], EngineFacts]


def check_frames(frames: np.ndarray) -> None:
    """Raise ValueError unless the array can go through a network."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(f'frames must be uint8 (B, H, W, 3), not {frames.dtype} {frames.shape}')
    if frames.size == 0 or frames.shape[1] % STRIDE or frames.shape[2] % STRIDE:
        raise ValueError(
            f'frames of {frames.shape[1]}x{frames.shape[2]} (height x width) do not fit: both '
            f'must be positive multiples of {STRIDE}'
        )


def golden_deviation(engine: Engine, golden: GoldenFrame, batch: int = 1) -> int:
    """Return how many pixels of the golden frame the engine labels other than expected.

    In a batch of several it counts in the frame that comes out worst.
    """
    labels, _ = engine.infer(np.repeat(golden.frame[np.newaxis], batch, axis=0))
    if labels.shape != (batch, *golden.mask.shape):
        return golden.mask.size
    return int((labels != golden.mask).sum(axis=(1, 2)).max())


def verify(
    engine: Engine, path: Path, golden: GoldenFrame, batches: tuple[int, ...] = (1,)
) -> VerifiedEngine:
    """Run the golden frame; EngineError where too many pixels differ from the expected mask.

    ``path``: of the network file; ``batches``: how often the frame stands in each batch tried.
    """

    def run() -> EngineFacts:
        deviation = max(golden_deviation(engine, golden, b) for b in dict.fromkeys(batches))
        agreement = 1.0 - deviation / golden.mask.size
        if agreement < GOLDEN_AGREEMENT:
            raise EngineError(
                f'{engine.name} ({engine.provider}, {engine.precision}) labels only '
                f'{agreement:.2%} of the golden frame of {path} as expected ({deviation} pixels '
                f'differ), {GOLDEN_AGREEMENT:.1%} is the least: the file, the runtime or its '
                'driver is not sound'
            )
        return EngineFacts(
            engine.name,
            engine.provider,
            engine.precision,
            agreement,
            deviation,
            engine.details(),
        )

    return VerifiedEngine(engine, run(), run)
