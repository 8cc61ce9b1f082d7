"""The state of one training run: a step of it, and putting it to disk and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_

from asap_ros.network.asap import Asap
from asap_ros.network.layers import to_channels_last
from asap_ros.network.normalisation import normalise
from asap_training import checkpoint, distributed, initial_weights, optimisation, recipe
from asap_training.checkpoint import Checkpoint, CheckpointError
from asap_training.losses import class_weights, total_loss
from asap_training.optimisation import Average
from asap_training.recipe import Recipe, RecipeError


class NetworkWithLoss(nn.Module):
    """Frames and targets -> the loss, the convolutions in the recipe's precision."""

    def __init__(self, model: Asap, weights: Tensor, settings: Recipe):
        super().__init__()
        self.model, self.weights, self.loss = model, weights, settings.loss
        self.precision = getattr(torch, settings.optimisation.precision)

    def forward(self, frames: Tensor, targets: Tensor) -> Tensor:
        """uint8 RGB (N, h, w, 3), int64 (N, h, w) -> a scalar."""
        image = normalise(frames).contiguous(memory_format=torch.channels_last)
        mixed = self.precision != torch.float32
        with torch.autocast(frames.device.type, self.precision if mixed else None, enabled=mixed):
            scores = self.model.training_scores(image)
        return total_loss(scores, targets, self.weights, self.loss)


class TrainingRun:
    """Network, optimiser, averaged weights, and how far they have come.

    ``epoch``: finished epochs; ``step``: finished steps of the epoch in work; ``losses``: their
    sum; ``history``: one dict a finished epoch.
    """

    def __init__(self, chosen: Recipe, pixels: Tensor, seed: int, device: torch.device):
        """``pixels``: (classes,) labelled pixels of the training data, for the class weights."""
        settings = chosen.optimisation
        if settings.precision == 'float16' and device.type != 'cuda':
            raise RecipeError('precision float16 needs CUDA: use bfloat16 or float32 here')
        torch.manual_seed(seed)
        self.recipe, self.seed, self.device = chosen, seed, device
        model = to_channels_last(Asap(chosen.network), device)
        self.model = distributed.sync_batch_norms(model, device)
        self.optimiser = optimisation.sgd(self.model, settings)
        self.base_lrs = [group['lr'] for group in self.optimiser.param_groups]
        self.scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == 'float16')
        self.average = Average(self.model, settings.ema_decay)
        frequency = (pixels / pixels.sum()).float()
        weights = class_weights(frequency, settings.class_weight_exponent).to(device)
        self.objective: nn.Module = NetworkWithLoss(self.model, weights, chosen)
        if distributed.world_size() > 1:
            self.objective = DistributedDataParallel(
                self.objective,
                broadcast_buffers=False,
                gradient_as_bucket_view=True,
                find_unused_parameters=not (chosen.loss.alpha and chosen.loss.beta),
            )
        self.epoch, self.step, self.losses = 0, 0, 0.0
        self.history: list[dict] = []

    def start_from(self, weights: Checkpoint) -> None:
        """Take the averaged weights of another run as the start of this one."""
        checkpoint.load_weights(self.model, weights.part('average'))
        self.average.restart(self.model)

    def start_from_encoder_weights(self, path: Path) -> None:
        """Take ImageNet's weights as the start of the encoder."""
        checkpoint.load_encoder(self.model, path)
        self.average.restart(self.model)

    def start_from_network_file(self, path: Path, frames: Iterable[Tensor]) -> list[str]:
        """Take the weights of an exported network as the start; see ``start``."""
        fresh = initial_weights.from_network_file(self.model, path, frames)
        self.average.restart(self.model)
        return fresh

    def training_step(self, frames: Tensor, targets: Tensor, steps: int) -> Tensor:
        """One step of gradient descent, of ``steps`` an epoch; returns the loss, on the device.

        The loss is that of all processes' batches together. ``frames``: uint8 (N, h, w, 3),
        ``targets``: int64 (N, h, w).
        """
        settings = self.recipe.optimisation
        number = self.epoch * steps + self.step
        factor = optimisation.lr_factor(number, steps * settings.epochs, settings)
        for group, base_lr in zip(self.optimiser.param_groups, self.base_lrs):
            group['lr'] = base_lr * factor
        loss = self.objective(frames, targets)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if settings.clip_grad_norm:
            self.scaler.unscale_(self.optimiser)
            clip_grad_norm_(self.model.parameters(), settings.clip_grad_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.average.update(number)
        self.step += 1
        return distributed.all_reduce_sum(loss.detach()) / distributed.world_size()

    def finish_epoch(self) -> float:
        """Count the epoch as finished and return its mean loss."""
        mean = self.losses / self.step
        self.epoch, self.step, self.losses = self.epoch + 1, 0, 0.0
        return mean

    def checkpoint(self) -> Checkpoint:
        """Return all that ``restore`` needs to go on as if nothing had happened."""
        names = {id(p): name for name, p in self.model.named_parameters()}
        tensors = {f'model/{k}': v for k, v in self.model.state_dict().items()}
        tensors |= self.best().tensors
        tensors |= {
            f'momentum/{names[id(p)]}': state['momentum_buffer']
            for p, state in self.optimiser.state.items()
        }
        return Checkpoint(
            tensors,
            self.facts()
            | {'step': self.step, 'losses': self.losses, 'scaler': self.scaler.state_dict()},
        )

    def best(self) -> Checkpoint:
        """Return the averaged weights alone: what is scored, exported and fine-tuned."""
        average = self.average.model.state_dict()
        return Checkpoint({f'average/{k}': v for k, v in average.items()}, self.facts())

    def facts(self) -> dict:
        """Return what a checkpoint says of itself."""
        return {
            'config': self.recipe.network.to_dict(),
            'recipe': self.recipe.to_json(),
            'seed': self.seed,
            'epoch': self.epoch,
            'history': self.history,
        }

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint of the same recipe and seed; CheckpointError otherwise."""
        # Parsed, so that a checkpoint from before an entry of recipes existed has its default.
        of = recipe.parse(json.loads(saved.facts['recipe']))
        other = recipe.differences(of, self.recipe)
        if saved.facts['seed'] != self.seed:
            other.append(f'seed is {saved.facts["seed"]} there and {self.seed} here')
        if other:
            raise CheckpointError(
                'the checkpoint is of another recipe or seed: choose another --out, or remove '
                f'it; {"; ".join(other)}'
            )
        checkpoint.load_weights(self.model, saved.part('model'))
        checkpoint.load_weights(self.average.model, saved.part('average'))
        momentum = saved.part('momentum')
        for name, parameter in self.model.named_parameters():
            if name in momentum:
                buffer = momentum[name].to(self.device)
                self.optimiser.state[parameter]['momentum_buffer'] = buffer
        self.scaler.load_state_dict(saved.facts.get('scaler', {}))
        self.epoch, self.history = saved.facts['epoch'], saved.facts['history']
        self.step, self.losses = saved.facts.get('step', 0), saved.facts.get('losses', 0.0)
