"""Train ASAP by a recipe: ``python -m asap_training.train RECIPE --data NAME=FOLDER --out DIR``.

Every random draw follows from (seed, epoch, position), so that a resumed run repeats exactly what
the unbroken one would have done.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from asap_ros.network.asap import Asap
from asap_ros.network.pixels import normalise
from asap_training import checkpoint, evaluate, recipe, start
from asap_training.arguments import add_data, fail, roots
from asap_training.augment import Augmentation
from asap_training.checkpoint import Checkpoint, CheckpointError
from asap_training.datasets import DataError, DataSet
from asap_training.losses import class_weights, total_loss
from asap_training.recipe import Optimisation, Recipe

CALIBRATION = 16
"""Batches that give the batch norms their statistics where a network file is the start."""


class EpochView(Dataset):
    """The augmented pairs of one epoch, in an order and with draws that (seed, epoch) decide."""

    def __init__(self, sets: list[DataSet], augmentation: Augmentation, seed: int, epoch: int):
        self.sets, self.augmentation, self.key = sets, augmentation, (seed, epoch)
        random = np.random.default_rng(self.key)
        self.order = random.permutation(np.concatenate(
            [_drawn(number, data, random) for number, data in enumerate(sets)]))

    def __len__(self) -> int:
        """Return how many pairs the epoch draws."""
        return len(self.order)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """Return a view: uint8 RGB (h, w, 3) and int64 label ids (h, w)."""
        number, index = self.order[position]
        random = np.random.default_rng((*self.key, position))
        image, mask = self.augmentation(*self.sets[number].read(index), random)
        return torch.from_numpy(image), torch.from_numpy(mask).long()


def _drawn(number: int, data: DataSet, random: np.random.Generator) -> np.ndarray:
    """Return (n, 2) rows (number, index): each pair ``weight`` times, the fraction by lot."""
    whole, part = divmod(data.weight, 1.0)
    indices = np.tile(np.arange(len(data.pairs)), int(whole))
    extra = random.permutation(len(data.pairs))[:round(part * len(data.pairs))]
    indices = np.concatenate([indices, extra])
    return np.column_stack([np.full_like(indices, number), indices])


def frequencies(sets: list[DataSet], classes: int) -> Tensor:
    """Return (classes,) shares of the labelled pixels, each set counted by its weight.

    Every pair is read, so this also finds damaged files before training starts.
    """
    counts = np.zeros(classes)
    for data in sets:
        data.check()
        for index in range(len(data.pairs)):
            mask = data.read(index)[1]
            counts += data.weight * np.bincount(mask.ravel(), minlength=256)[:classes]
    return torch.from_numpy(counts / counts.sum()).float()


def schedule(step: int, steps: int, settings: Optimisation) -> float:
    """Return the factor of the learning rate at ``step``: linear warm-up times poly decay."""
    warm = min(1.0, (step + 1) / settings.warm_up) if settings.warm_up else 1.0
    return warm * (1.0 - step / steps) ** settings.power


def optimiser(model: Asap, settings: Optimisation) -> torch.optim.SGD:
    """Return SGD with a slower trunk; norms and biases are not decayed."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        key = (name.startswith('trunk.'), parameter.ndim > 1)
        groups.setdefault(key, []).append(parameter)
    return torch.optim.SGD([
        {'params': parameters,
         'lr': settings.rate * (settings.trunk_factor if trunk else 1.0),
         'weight_decay': settings.weight_decay if decayed else 0.0}
        for (trunk, decayed), parameters in groups.items()], momentum=settings.momentum)


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """Move the averaged weights towards the current ones; the first steps count for more."""
    share = 1.0 - min(decay, (1 + step) / (10 + step))
    current = model.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(current[name], share)
        else:
            value.copy_(current[name])


class Run:
    """The state of one training run, and moving it on by an epoch."""

    def __init__(self, chosen: Recipe, train: list[DataSet], seed: int, device: torch.device):
        torch.manual_seed(seed)
        self.recipe, self.train, self.seed, self.device = chosen, train, seed, device
        self.model = Asap(chosen.network).to(device, memory_format=torch.channels_last)
        self.optimiser = optimiser(self.model, chosen.optimisation)
        self.rates = [group['lr'] for group in self.optimiser.param_groups]
        self.average = copy.deepcopy(self.model)
        self.weights = class_weights(
            frequencies(train, chosen.network.classes), chosen.optimisation.class_exponent,
        ).to(device)
        self.epoch = 0
        self.history: list[dict] = []

    def start_from(self, weights: Checkpoint) -> None:
        """Take the averaged weights of another run as the start of this one."""
        checkpoint.load_weights(self.model, weights.part('average'))
        self.average.load_state_dict(self.model.state_dict())

    def start_from_trunk(self, path: Path) -> None:
        """Take ImageNet's weights as the start of the trunk."""
        checkpoint.load_trunk(self.model, path)
        self.average.load_state_dict(self.model.state_dict())

    def start_from_network_file(self, path: Path) -> None:
        """Take the weights of an exported network as the start of this one."""
        frames = (frames.to(self.device) for frames, _ in islice(self.batches(0), CALIBRATION))
        fresh = start.from_network_file(self.model, path, frames)
        print(f'started from {path}; trained anew: {", ".join(fresh)}')
        self.average.load_state_dict(self.model.state_dict())

    def batches(self, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of the coming epoch; the last, incomplete one is left out."""
        view = EpochView(self.train, self.recipe.augmentation, self.seed, self.epoch)
        if len(view) < self.recipe.optimisation.batch:
            raise DataError(
                f'{len(view)} pairs an epoch do not fill one batch of '
                f'{self.recipe.optimisation.batch}')
        return DataLoader(
            view, self.recipe.optimisation.batch, drop_last=True, num_workers=workers)

    def run_epoch(self, workers: int) -> float:
        """Train for one epoch and return the mean loss; Run.epoch is one more afterwards."""
        self.model.train()
        settings = self.recipe.optimisation
        loader = self.batches(workers)
        steps, total = len(loader) * settings.epochs, 0.0
        bar = tqdm(loader, f'epoch {self.epoch + 1}/{settings.epochs}', leave=False)
        for number, (frames, target) in enumerate(bar):
            step = self.epoch * len(loader) + number
            for group, rate in zip(self.optimiser.param_groups, self.rates):
                group['lr'] = rate * schedule(step, steps, settings)
            loss = self.step(frames.to(self.device), target.to(self.device))
            update_average(self.average, self.model, settings.average, step)
            total += loss
            bar.set_postfix(loss=f'{total / (number + 1):.3f}')
        self.epoch += 1
        return total / len(loader)

    def step(self, frames: Tensor, target: Tensor) -> float:
        """One step of gradient descent: uint8 (N, h, w, 3), int64 (N, h, w) -> the loss."""
        image = normalise(frames).contiguous(memory_format=torch.channels_last)
        precision = getattr(torch, self.recipe.optimisation.precision)
        with torch.autocast(self.device.type, precision, enabled=precision != torch.float32):
            scores = self.model.training_scores(image)
        loss = total_loss(scores, target, self.weights, self.recipe.loss)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f'the loss is {loss.item()} in epoch {self.epoch + 1}; lower the learning rate')
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.item()

    def checkpoint(self) -> Checkpoint:
        """Return all that ``restore`` needs to go on as if nothing had happened."""
        names = {id(p): name for name, p in self.model.named_parameters()}
        tensors = {f'model/{k}': v for k, v in self.model.state_dict().items()}
        tensors |= {f'average/{k}': v for k, v in self.average.state_dict().items()}
        tensors |= {
            f'momentum/{names[id(p)]}': state['momentum_buffer']
            for p, state in self.optimiser.state.items()}
        return Checkpoint(tensors, self.facts())

    def best(self) -> Checkpoint:
        """Return the averaged weights alone: what is scored, exported and fine-tuned."""
        return Checkpoint(
            {f'average/{k}': v for k, v in self.average.state_dict().items()}, self.facts())

    def facts(self) -> dict:
        """Return what a checkpoint says of itself."""
        return {'config': self.recipe.network.to_dict(), 'recipe': self.recipe.to_json(),
                'seed': self.seed, 'epoch': self.epoch, 'history': self.history}

    def restore(self, saved: Checkpoint) -> None:
        """Go on from a checkpoint of the same recipe and seed; CheckpointError otherwise."""
        # Parsed, so that a checkpoint from before an entry of recipes existed has its default.
        of = recipe.parse(json.loads(saved.facts['recipe']))
        if (of, saved.facts['seed']) != (self.recipe, self.seed):
            raise CheckpointError(
                'the checkpoint is of another recipe or seed: choose another --out, or remove it')
        checkpoint.load_weights(self.model, saved.part('model'))
        checkpoint.load_weights(self.average, saved.part('average'))
        momentum = saved.part('momentum')
        for name, parameter in self.model.named_parameters():
            if name in momentum:
                buffer = momentum[name].to(self.device)
                self.optimiser.state[parameter]['momentum_buffer'] = buffer
        self.epoch, self.history = saved.facts['epoch'], saved.facts['history']


def train(run: Run, validation: DataSet, out: Path, workers: int) -> None:
    """Run all epochs that are left; keep ``last`` (to resume) and ``best`` (on validation)."""
    best = max((entry['miou'] for entry in run.history), default=-1.0)
    while run.epoch < run.recipe.optimisation.epochs:
        begin = time.monotonic()
        loss = run.run_epoch(workers)
        matrix = evaluate.score(
            run.average, validation, run.recipe.network.classes, run.recipe.size, run.device)
        seconds = time.monotonic() - begin
        run.history.append({'epoch': run.epoch, 'loss': loss, 'miou': matrix.miou(),
                            'seconds': round(seconds, 1)})
        checkpoint.save(out / 'last.safetensors', run.checkpoint())
        if matrix.miou() > best:
            best = matrix.miou()
            checkpoint.save(out / 'best.safetensors', run.best())
        left = (run.recipe.optimisation.epochs - run.epoch) * seconds
        print(f'epoch {run.epoch}/{run.recipe.optimisation.epochs}  loss {loss:.3f}  '
              f'val mIoU {matrix.miou():.4f} (best {best:.4f})  {seconds:.0f} s, '
              f'{left / 60:.0f} min left', flush=True)
    (out / 'history.json').write_text(json.dumps(run.history, indent=2))


def main(arguments: list[str] | None = None) -> None:
    """Train a network by a recipe, going on where an earlier run in the same folder stopped."""
    parser = argparse.ArgumentParser(
        prog='python -m asap_training.train', description=main.__doc__,
        epilog='example: python -m asap_training.train camvid_resnet18 --data camvid=data/camvid '
               '--trunk weights/resnet18.safetensors --out runs/camvid_resnet18')
    parser.add_argument('recipe', help='a packaged recipe by name, or a YAML file')
    add_data(parser)
    parser.add_argument('--out', type=Path, required=True, help='folder of the run')
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument('--trunk', type=Path, help="safetensors of the trunk's ImageNet weights")
    begin.add_argument(
        '--start', type=Path,
        help='checkpoint, or exported network (.onnx), whose weights are the start')
    parser.add_argument('--epochs', type=int, help="instead of the recipe's")
    parser.add_argument('--precision', choices=recipe.PRECISIONS, help="instead of the recipe's")
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--workers', type=int, default=1, help='processes that read pictures')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    options = parser.parse_args(arguments)
    with fail(parser):
        chosen = recipe.load(options.recipe)
        given_instead = {name: getattr(options, name) for name in ('epochs', 'precision')
                         if getattr(options, name) is not None}
        chosen = replace(chosen, optimisation=replace(chosen.optimisation, **given_instead))
        given = roots(options)
        sets = [source.open(given, chosen.label_set) for source in chosen.train]
        validation = chosen.validation.open(given, chosen.label_set)
        options.out.mkdir(parents=True, exist_ok=True)
        run = Run(chosen, sets, options.seed, torch.device(options.device))
        last = options.out / 'last.safetensors'
        if last.is_file():
            run.restore(checkpoint.load(last))
            print(f'going on after epoch {run.epoch} of {last}')
        elif options.start and options.start.suffix == '.onnx':
            run.start_from_network_file(options.start)
        elif options.start:
            run.start_from(checkpoint.load(options.start))
        elif options.trunk:
            run.start_from_trunk(options.trunk)
        try:
            train(run, validation, options.out, options.workers)
        except KeyboardInterrupt:
            parser.exit(130, f'stopped; {last} holds all finished epochs: call again to go on\n')


if __name__ == '__main__':
    main()
