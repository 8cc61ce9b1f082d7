"""What every engine is: a batch of frames in, label masks and confidences out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from asap_ros.engine.model_file import STRIDE, Golden, ModelFile

GOLDEN_AGREEMENT = 0.995
"""Least share of the golden frame's pixels that an engine must label as expected."""


class EngineError(RuntimeError):
    """An engine that cannot be had or cannot go on; the message says what to do."""


@dataclass(frozen=True)
class EngineFacts:
    """What is actually in use, as diagnostics and reports state it.

    ``golden_agreement``: share of the golden frame's pixels labelled as expected.
    """

    name: str
    provider: str
    precision: str
    golden_agreement: float


class Engine(Protocol):
    """A network ready to run."""

    provider: str
    precision: str

    def infer(self, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return labels, uint8 (B, H, W), and confidence, uint8 (B, H/s, W/s).

        ``frames``: uint8 RGB (B, H, W, 3), contiguous. Raises ValueError where that does not
        hold, EngineError where the runtime fails.
        """


def check_frames(frames: np.ndarray) -> None:
    """Raise ValueError unless the array can go through a network."""
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
        raise ValueError(
            f'frames must be uint8 (B, H, W, 3), not {frames.dtype} {frames.shape}')
    if frames.size == 0 or frames.shape[1] % STRIDE or frames.shape[2] % STRIDE:
        raise ValueError(
            f'frames of {frames.shape[1]}x{frames.shape[2]} (height x width) do not fit: both '
            f'must be positive multiples of {STRIDE}')


def golden_agreement(engine: Engine, golden: Golden) -> float:
    """Return the share of the golden frame's pixels that the engine labels as expected."""
    labels, _ = engine.infer(golden.frame[np.newaxis])
    if labels.shape[1:] != golden.mask.shape:
        return 0.0
    return float((labels[0] == golden.mask).mean())


def prove(name: str, engine: Engine, model: ModelFile) -> EngineFacts:
    """Run the golden frame; EngineError where too many pixels differ from the expected mask."""
    agreement = golden_agreement(engine, model.golden)
    if agreement < GOLDEN_AGREEMENT:
        raise EngineError(
            f'{name} ({engine.provider}, {engine.precision}) labels only {agreement:.2%} of the '
            f'golden frame of {model.path} as expected, {GOLDEN_AGREEMENT:.1%} is the least: '
            'the file, the runtime or its driver is not sound')
    return EngineFacts(name, engine.provider, engine.precision, agreement)
