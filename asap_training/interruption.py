"""What ends a run early without loss: a loss that is not finite, and Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor

from asap_training import checkpoint, distributed
from asap_training.checkpoint import Checkpoint


class NotFinite(ArithmeticError):
    """A loss that is infinite or no number; the message says where its batch was saved."""


class LossGuard:
    """Looks at each loss one step late, so that a GPU need not wait for it to be looked at."""

    def __init__(self, out: Path):
        self.out = out
        self._held: tuple[Tensor, Tensor, Tensor, dict] | None = None

    def hold(self, loss: Tensor, frames: Tensor, targets: Tensor, facts: dict) -> float | None:
        """Look at the loss held before, return it, and hold this one with its batch."""
        before = self.look()
        self._held = (loss, frames, targets, facts)
        return before

    def look(self) -> float | None:
        """Return the loss held; NotFinite, its batch saved, where it is not finite."""
        if self._held is None:
            return None
        (loss, frames, targets, facts), self._held = self._held, None
        value = loss.item()
        if torch.isfinite(loss):
            return value
        path = self.out / f'bad_batch_{distributed.rank()}.safetensors'
        checkpoint.save(
            path, Checkpoint({'frames': frames, 'targets': targets}, facts | {'loss': str(value)})
        )
        raise NotFinite(
            f'the loss is {value} in epoch {facts["epoch"] + 1}, step {facts["step"]}: the batch '
            f'is in {path}, the last sound state in last.safetensors; lower the learning rate, or '
            f'clip the gradient'
        )


class Interruption:
    """While entered, Ctrl-C and SIGTERM ask for an end that loses nothing; twice ends at once."""

    def __init__(self, device: torch.device):
        self._asked = False
        self._device = device

    def __enter__(self) -> Interruption:
        """Take over both signals."""
        self._before = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *exception: object) -> None:
        """Give both signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def asked(self) -> bool:
        """Return whether any process was asked to end; all processes must call this together."""
        if distributed.world_size() == 1:
            return self._asked
        return bool(
            distributed.all_reduce_sum(torch.tensor(int(self._asked), device=self._device))
        )
