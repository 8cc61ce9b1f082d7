"""Train ASAP by a recipe: ``python -m asap_training.train RECIPE --data NAME=FOLDER --out DIR``.

Every random draw follows from (seed, epoch, position), so that a resumed run repeats exactly what
the unbroken one would have done.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import get_args

import torch
from tqdm import tqdm

from asap_ros.cli.arguments import CommandParser, add_out
from asap_training import (
    arguments,
    checkpoint,
    data_loading,
    datasets,
    distributed,
    inference,
    recipe,
)
from asap_training.arguments import add_data, ending
from asap_training.data_loading import EpochSampler
from asap_training.datasets import LabelledDataset
from asap_training.inference import InferenceSettings
from asap_training.interruption import Interruption, LossGuard, NotFinite
from asap_training.recipe import Recipe
from asap_training.tensorboard_log import TensorBoardLogger
from asap_training.training_run import TrainingRun

EXAMPLES = """
  %(prog)s camvid_resnet18 --data camvid=data/camvid \\
      --encoder-weights weights/resnet18.safetensors --out runs/camvid_resnet18
  the same again goes on where it stopped (Ctrl-C finishes the step in work and saves)
  torchrun --nproc-per-node 4 -m asap_training.train paper_cityscapes \\
      --data cityscapes=data/cityscapes --encoder-weights weights/resnet18.safetensors \\
      --out runs/paper
  tensorboard --logdir runs
"""

CALIBRATION = 16
"""Batches that give the batch norms their statistics where a network file is the start."""
VALIDATION_IN_MEMORY = 2**30
"""Bytes of validation data up to which it is decoded once and not after every epoch."""


@dataclass(frozen=True)
class TrainingJob:
    """One run, its data, and where it leaves its files; ``first`` is the process that writes."""

    run: TrainingRun
    batches: data_loading.WorkerBatches | data_loading.ResidentBatches
    validation: LabelledDataset
    out: Path
    first: bool

    @property
    def steps(self) -> int:
        """Return the steps of an epoch."""
        return self.batches.order.steps


def train(job: TrainingJob) -> bool:
    """Run all epochs that are left; keep ``last`` (to resume) and ``best`` (the result).

    Returns False where the user ended it early, the state saved to the step. Raises NotFinite
    for a loss that is not finite, OSError where the state cannot be saved.
    """
    run, epochs = job.run, job.run.recipe.optimisation.epochs
    logger = TensorBoardLogger(job.out, run, job.steps) if job.first else None
    done = run.epoch * job.steps + run.step
    bar = tqdm(
        total=epochs * job.steps,
        initial=done,
        unit='step',
        dynamic_ncols=True,
        disable=not job.first,
    )
    try:
        with Interruption(run.device) as interruption:
            while run.epoch < epochs:
                start, first_step = time.monotonic(), run.step
                bar.set_description(f'epoch {run.epoch + 1}/{epochs}')
                if not train_epoch(job, interruption, bar, logger):
                    if job.first:
                        checkpoint.save(job.out / 'last.safetensors', run.checkpoint())
                    return False
                seconds = time.monotonic() - start
                images = (job.steps - first_step) * run.recipe.optimisation.batch_size
                finish_epoch(job, round(images / seconds, 1), start, bar, logger)
    finally:
        bar.close()
        if logger:
            logger.close()
    if job.first:
        (job.out / 'history.json').write_text(json.dumps(run.history, indent=2))
    return True


def train_epoch(
    job: TrainingJob, interruption: Interruption, bar: tqdm, logger: TensorBoardLogger | None
) -> bool:
    """Train to the end of the epoch in work; False where the user asked to stop before it."""
    run, guard = job.run, LossGuard(job.out)
    run.model.train()

    def note(loss: float | None) -> None:
        if loss is not None:
            run.losses += loss
            bar.set_postfix(loss=f'{run.losses / run.step:.3f}', refresh=False)
            if logger:
                logger.log_step(loss)

    for frames, targets in job.batches.epoch(run.epoch, run.step):
        facts = {'epoch': run.epoch, 'step': run.step, 'recipe': run.recipe.to_json()}
        loss = run.training_step(frames, targets, job.steps)
        note(guard.hold(loss, frames, targets, facts))
        bar.update()
        if interruption.asked() and run.step < job.steps:
            note(guard.look())
            return False
    note(guard.look())
    return True


def finish_epoch(
    job: TrainingJob,
    images_per_second: float,
    start: float,
    bar: tqdm,
    logger: TensorBoardLogger | None,
) -> None:
    """Score the averaged weights and put down what the epoch came to."""
    run = job.run
    loss = run.finish_epoch()
    matrix = inference.score(
        run.average.model,
        job.validation,
        run.recipe.network.classes,
        InferenceSettings(run.recipe.size),
        progress=job.first,
    )
    miou = matrix.miou() or 0.0
    best = max((entry['miou'] for entry in run.history), default=-1.0)
    entry = {
        'epoch': run.epoch,
        'loss': loss,
        'miou': miou,
        'seconds': round(time.monotonic() - start, 1),
        'images_per_second': images_per_second,
    }
    run.history.append(entry)
    if not job.first:
        return
    # The result first: were the disk full between the two, the epoch would be made again.
    if miou > best or run.recipe.keep_checkpoint == 'last':
        checkpoint.save(job.out / 'best.safetensors', run.best())
    checkpoint.save(job.out / 'last.safetensors', run.checkpoint())
    if logger:
        logger.log_epoch(entry, matrix, job.validation)
    bar.write(
        f'epoch {run.epoch}/{run.recipe.optimisation.epochs}  loss {loss:.3f}  '
        f'val mIoU {miou:.4f} (best {max(best, miou):.4f})  {entry["seconds"]:.0f} s, '
        f'{images_per_second:.1f} images/s'
    )


def prepare(options: argparse.Namespace, chosen: Recipe, device: torch.device) -> TrainingJob:
    """Open the data, read every pair once, and make the run or go on with it."""
    first = distributed.rank() == 0
    chosen, sets, validation = arguments.open_data(options, chosen, say=first)
    options.out.mkdir(parents=True, exist_ok=True)
    classes = chosen.network.classes
    pixels = distributed.on_first_rank(
        lambda: torch.from_numpy(datasets.survey(sets, classes)), device
    )
    distributed.on_first_rank(lambda: datasets.survey([validation], classes), device)
    run = TrainingRun(chosen, pixels, options.seed, device)
    validation = datasets.cache_in_memory(validation, VALIDATION_IN_MEMORY)
    order = EpochSampler(
        [replace(data, weight=data.weight * chosen.optimisation.epoch_repeats) for data in sets],
        chosen.optimisation.batch_size,
        options.seed,
    )
    batches: data_loading.WorkerBatches | data_loading.ResidentBatches
    resident = options.resident == 'yes' or (
        options.resident == 'auto' and data_loading.fits(sets, device)
    )
    if resident:
        batches = data_loading.ResidentBatches(order, chosen.augmentation, device, progress=first)
    else:
        workers = options.workers
        batches = data_loading.WorkerBatches(
            order,
            chosen.augmentation,
            data_loading.default_workers(device) if workers is None else workers,
            device,
        )
    last = options.out / 'last.safetensors'
    if last.is_file():
        run.restore(checkpoint.load(last))
        if first:
            print(f'going on after epoch {run.epoch}, step {run.step} of {last}')
    elif options.start and options.start.suffix == '.onnx':
        frames = (frames for frames, _ in islice(batches.epoch(0, 0), CALIBRATION))
        fresh = run.start_from_network_file(options.start, frames)
        if first:
            print(f'started from {options.start}; trained anew: {", ".join(fresh)}')
    elif options.start:
        run.start_from(checkpoint.load(options.start))
    elif options.encoder_weights:
        run.start_from_encoder_weights(options.encoder_weights)
    return TrainingJob(run, batches, validation, options.out, first)


def main(given: list[str] | None = None) -> None:
    """Train a network by a recipe, going on where an earlier run in the same folder stopped."""
    parser = CommandParser('train', main.__doc__, EXAMPLES)
    parser.add_argument('recipe', help='a packaged recipe by name, or a YAML file')
    add_data(parser)
    add_out(parser, 'folder of the run')
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument(
        '--encoder-weights', type=Path, help="safetensors of the encoder's ImageNet weights"
    )
    begin.add_argument(
        '--start',
        type=Path,
        help='checkpoint, or exported network (.onnx), whose weights are the start',
    )
    parser.add_argument(
        '--epochs', type=int, help="rounds through the data (default the recipe's)"
    )
    parser.add_argument(
        '--precision',
        choices=get_args(recipe.Precision),
        help="of the computation (default the recipe's)",
    )
    parser.add_argument('--seed', type=int, default=0, help='of every random draw')
    parser.add_argument(
        '--workers',
        type=int,
        help='processes that read pictures (default 1 on a CPU, else one a core)',
    )
    parser.add_argument(
        '--resident',
        choices=('auto', 'yes', 'no'),
        default='auto',
        help='keep all pictures on the device; auto: on a GPU they fit into',
    )
    arguments.add_device(parser)
    options = parser.parse_args(given)
    with ending(parser, NotFinite), distributed.process_group(options.device) as device:
        chosen = recipe.load(options.recipe)
        instead = {
            name: getattr(options, name)
            for name in ('epochs', 'precision')
            if getattr(options, name) is not None
        }
        chosen = recipe.change(chosen, {'optimisation': instead})
        torch.backends.cudnn.benchmark = True
        if not train(prepare(options, chosen, device)):
            parser.exit(
                130,
                f'stopped; {options.out / "last.safetensors"} holds every finished '
                'step: call again to go on\n',
            )


if __name__ == '__main__':
    main()
