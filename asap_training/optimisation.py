"""What moves the weights: the schedule of the learning rate, SGD, and the weights' average."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn

from asap_ros.network.asap import Asap
from asap_training.recipe import Optimisation


def lr_factor(step: int, steps: int, settings: Optimisation) -> float:
    """Return the factor of the learning rate at ``step``: linear warm-up times the decay."""
    warm = min(1.0, (step + 1) / settings.warmup_steps) if settings.warmup_steps else 1.0
    done = step / steps
    if settings.lr_scheduler == 'cosine':
        return warm * 0.5 * (1.0 + math.cos(math.pi * done))
    return warm * (1.0 - done) ** settings.power


def sgd(model: Asap, settings: Optimisation) -> torch.optim.SGD:
    """Return SGD with a slower encoder; norms and biases are not decayed."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        key = (name.startswith('encoder.'), parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    return torch.optim.SGD(
        [
            {
                'params': parameters,
                'lr': settings.lr * (settings.encoder_lr_factor if encoder else 1.0),
                'weight_decay': settings.weight_decay if decayed else 0.0,
            }
            for (encoder, decayed), parameters in groups.items()
        ],
        momentum=settings.momentum,
    )


class Average:
    """The exponential moving average of a network's weights, batch-norm statistics included."""

    def __init__(self, model: nn.Module, decay: float):
        self.model, self.decay = copy.deepcopy(model), decay
        self._pairs(model)

    def _pairs(self, model: nn.Module) -> None:
        """Keep the tensors side by side, so that a step is two calls and not two hundred."""
        own, current = self.model.state_dict(), model.state_dict()
        floating = [name for name, value in own.items() if value.is_floating_point()]
        self._own, self._current = ([s[n] for n in floating] for s in (own, current))
        self._counters = [(own[n], current[n]) for n in own if n not in set(floating)]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the current weights; the first steps count for more."""
        share = 1.0 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._own, self._current, share)
        for own, current in self._counters:
            own.copy_(current)

    def restart(self, model: nn.Module) -> None:
        """Take the weights as they are."""
        self.model.load_state_dict(model.state_dict())
