"""Start from a network file: the weights of an exported network, made trainable again.

Export folds every batch norm into the convolution before it, so a network file holds none. Here
each gets back the statistics that its convolution has on the new data, and the gain and offset
that undo them: the network computes what the file does, and trains like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from asap_ros.network.asap import Asap
from asap_ros.network.normalisation import normalise
from asap_training import distributed, former_names
from asap_training.checkpoint import CheckpointError

PREFIX, HALF = 'model.', '.half'
"""What export puts around the names of a network's tensors."""
NOT_NEEDED = ('aux', 'classifier.')
"""Parts that a network file may lack: they are trained anew."""


def conv_norms(module: nn.Module) -> Iterator[tuple[nn.Module, str, str]]:
    """Yield (parent, name of a convolution, name of the batch norm that directly follows it)."""
    children = list(module.named_children())
    for (before, conv), (name, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            yield module, before, name
    for _, child in children:
        yield from conv_norms(child)


def from_network_file(model: Asap, path: Path, batches: Iterable[Tensor]) -> list[str]:
    """Put the weights of a network file into ``model``; return the names that stay as they were.

    Those are the auxiliary heads, which no file holds, and the classifier where the file's has
    other classes. ``batches``: frames of the new data, uint8 RGB (N, H, W, 3), for the
    statistics of the batch norms. Raises CheckpointError where the file is no network, or is one
    of another configuration.
    """
    tensors = _tensors(path)
    model.eval()
    own = model.state_dict()
    names = {module: name for name, module in model.named_modules()}
    norms = []
    for parent, conv, norm in conv_norms(model):
        bias = f'{names[getattr(parent, conv)]}.bias'
        if bias in tensors:
            norms.append((getattr(parent, norm), tensors.pop(bias)))
    for name in ('classifier.weight', 'classifier.bias'):
        if name in tensors and tensors[name].shape[0] != own[name].shape[0]:
            del tensors[name]
    refilled = {f'{names[norm]}.{part}' for norm, _ in norms for part in ('weight', 'bias')}
    wrong = [k for k, v in tensors.items() if k not in own or own[k].shape != v.shape]
    missing = [
        k
        for k, _ in model.named_parameters()
        if k not in tensors and k not in refilled and not k.startswith(NOT_NEEDED)
    ]
    if wrong or missing:
        raise CheckpointError(
            f'{path} is of another configuration or of an older exporter: of another shape are '
            f'{wrong[:3]}, missing are {missing[:3]}'
        )
    model.load_state_dict(tensors, strict=False)
    _restore_norms(model, norms, batches)
    return sorted({k.split('.')[0] for k in own} - {k.split('.')[0] for k in tensors})


def _tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors that belong to modules, float32, by the modules' names."""
    try:
        graph = onnx.load(path).graph
    except Exception as error:  # protobuf's exceptions share no public base class
        raise CheckpointError(f'{path} cannot be read as a network file: {error}') from error
    return {
        former_names.tensor(t.name.removeprefix(PREFIX).removesuffix(HALF)): torch.from_numpy(
            numpy_helper.to_array(t).astype(np.float32)
        )
        for t in graph.initializer
        if t.name.startswith(PREFIX)
    }


@torch.no_grad()
def _restore_norms(
    model: Asap,
    norms: list[tuple[nn.BatchNorm2d, Tensor]],
    batches: Iterable[Tensor],
) -> None:
    """Give each batch norm its convolution's statistics, the network's output unchanged.

    ``norms``: each with the bias that folding it left in the convolution.
    """
    for norm, offset in norms:
        mean, variance = _statistics(norm)
        mean.zero_()
        variance.fill_(1.0 - norm.eps)
        norm.weight.fill_(1.0)
        norm.bias.copy_(offset)
    device = next(model.parameters()).device
    zero = torch.zeros((), dtype=torch.float64, device=device)
    sums: dict[nn.Module, tuple[Tensor, Tensor, Tensor]] = {
        norm: (zero, zero, zero)  # pixels, sum, sum of squares
        for norm, _ in norms
    }

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].double()
        pixels, total, squares = sums[norm]
        sums[norm] = (
            pixels + x.numel() // x.shape[1],
            total + x.sum((0, 2, 3)),
            squares + x.square().sum((0, 2, 3)),
        )

    hooks = [norm.register_forward_pre_hook(note) for norm, _ in norms]
    for frames in batches:
        model(normalise(frames.to(device)))
    for hook in hooks:
        hook.remove()
    for norm, offset in norms:
        pixels, total, squares = (distributed.all_reduce_sum(part) for part in sums[norm])
        mean = total / pixels
        variance = (squares / pixels - mean.square()).clamp_min(0.0)
        for buffer, value in zip(_statistics(norm), (mean, variance)):
            buffer.copy_(value)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(offset + mean)


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return the buffers of running mean and variance, which every norm of the network has."""
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.running_mean, norm.running_var
