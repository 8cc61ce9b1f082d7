"""Training state on disk: safetensors, written whole or not at all."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from asap_ros.network.asap import Asap
from asap_ros.network.config import AsapConfig
from asap_training import former_names

FORMAT = 'asap_training/1'
SMALLEST_HALVED = 1024
"""Weights of fewer values stay float32 where others become float16: they decide much and weigh
little."""


class CheckpointError(ValueError):
    """A checkpoint that is damaged or belongs to another network or run."""


@dataclass
class Checkpoint:
    """Tensors by name, and the plain facts about them.

    ``facts``: ``config`` (AsapConfig as a dict), ``recipe``, ``epoch`` (finished epochs),
    ``history`` (one dict an epoch).
    """

    tensors: dict[str, Tensor]
    facts: dict = field(default_factory=dict)

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors below ``prefix/``, by their names without it."""
        start = len(prefix) + 1
        return {k[start:]: v for k, v in self.tensors.items() if k.startswith(f'{prefix}/')}


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint beside ``path`` and move it there, so that the old one stays whole.

    Raises OSError (a full disk, no permission); the file at ``path`` is then as it was, and
    nothing else is left behind.
    """
    partial = path.with_suffix('.partial')
    tensors = {k: v.detach().contiguous().cpu() for k, v in checkpoint.tensors.items()}
    metadata = {'format': FORMAT, 'facts': json.dumps(checkpoint.facts)}
    try:
        save_file(tensors, partial, metadata)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        kept = f'; the one before it is as it was: {path}' if path.is_file() else ''
        raise OSError(f'{path} could not be written: {error}{kept}') from error
    os.replace(partial, path)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint; CheckpointError where it is no such file or a damaged one."""
    if not path.is_file():
        raise CheckpointError(f'there is no checkpoint {path}')
    try:
        with safe_open(path, 'pt') as file:
            metadata = file.metadata() or {}
            tensors = {former_names.tensor(name): file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise CheckpointError(f'{path} is damaged or not safetensors: {error}') from error
    if metadata.get('format') != FORMAT:
        raise CheckpointError(f'{path} was not written by asap_training')
    return Checkpoint(tensors, former_names.facts(json.loads(metadata['facts'])))


def network(checkpoint: Checkpoint) -> Asap:
    """Return the network of a checkpoint with its averaged weights, in evaluation mode."""
    model = Asap(AsapConfig.from_dict(checkpoint.facts['config']))
    load_weights(model, checkpoint.part('average'))
    return model.eval()


def load_weights(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put tensors into a module; CheckpointError names what is missing or has another shape."""
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f'the checkpoint is of another configuration: {error}') from error


def load_encoder(model: Asap, path: Path) -> None:
    """Put ImageNet weights in torchvision's names (safetensors) into the network's encoder.

    The classifier's tensors and MobileNetV2's last 1x1 convolution are left out; the batch-norm
    counters may be absent. CheckpointError where anything else is missing or has another shape.
    """
    try:
        with safe_open(path, 'pt') as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f'{path} cannot be read as safetensors: {error}') from error
    own = model.encoder.state_dict()
    missing = [k for k in own if k not in tensors and not k.endswith('num_batches_tracked')]
    wrong = [k for k in own if k in tensors and own[k].shape != tensors[k].shape]
    if missing or wrong:
        raise CheckpointError(
            f'{path} does not fit encoder {model.config.encoder.value}: '
            f'missing {missing[:3]}, of another shape {wrong[:3]}'
        )
    model.encoder.load_state_dict({k: tensors[k] for k in own if k in tensors}, strict=False)
