"""The batches of a run: read by worker processes, or resident on the device.

Which pairs an epoch draws, in which order and with which view, follows from (seed, epoch,
position) alone, so both ways give the same batches, and a run that was stopped goes on exactly.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from asap_training import augment_batch, distributed
from asap_training.augment import Augmentation
from asap_training.datasets import DataError, LabelledDataset

Batch = tuple[Tensor, Tensor]
"""uint8 RGB (N, h, w, 3) and int64 label ids (N, h, w), on the run's device."""


class EpochSampler:
    """Which pair stands at which position of an epoch, and the draws of its view."""

    def __init__(self, sets: list[LabelledDataset], batch: int, seed: int):
        """Raise DataError where an epoch does not fill one batch, or processes cannot share it."""
        self.sets, self.batch, self.seed = sets, batch, seed
        pairs = len(self.of(0))
        self.steps = pairs // batch
        if not self.steps:
            raise DataError(f'{pairs} pairs an epoch do not fill one batch of {batch}')
        if batch % distributed.world_size():
            raise DataError(
                f'a batch of {batch} cannot be shared by {distributed.world_size()} processes'
            )

    @lru_cache(maxsize=2)  # noqa: B019 - an order lives as long as its run
    def of(self, epoch: int) -> np.ndarray:
        """Return (n, 2) rows (number of the set, index of the pair)."""
        random = np.random.default_rng((self.seed, epoch))
        return random.permutation(
            np.concatenate([_drawn(number, data, random) for number, data in enumerate(self.sets)])
        )

    def random(self, epoch: int, position: int) -> np.random.Generator:
        """Return the generator of the view at a position."""
        return np.random.default_rng((self.seed, epoch, position))

    def positions(self, step: int) -> list[int]:
        """Return this process's share of the positions of a step; an incomplete one is left."""
        own = self.batch // distributed.world_size()
        start = step * self.batch + distributed.rank() * own
        return list(range(start, start + own))


def _drawn(number: int, data: LabelledDataset, random: np.random.Generator) -> np.ndarray:
    """Return (n, 2) rows (number, index): each pair ``weight`` times, the fraction by lot."""
    whole, part = divmod(data.weight, 1.0)
    indices = np.tile(np.arange(len(data.pairs)), int(whole))
    extra = random.permutation(len(data.pairs))[: round(part * len(data.pairs))]
    indices = np.concatenate([indices, extra])
    return np.column_stack([np.full_like(indices, number), indices])


class AugmentedDataset(Dataset):
    """Augmented pairs by (epoch, position)."""

    def __init__(self, order: EpochSampler, augmentation: Augmentation):
        self.order, self.augmentation = order, augmentation

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return a view: uint8 RGB (h, w, 3) and int64 label ids (h, w)."""
        number, index = self.order.of(key[0])[key[1]]
        image, mask = self.order.sets[number].read(index)
        image, mask = self.augmentation(image, mask, self.order.random(*key))
        return torch.from_numpy(image), torch.from_numpy(mask).long()


class WorkerBatches:
    """Batches that worker processes read and augment ahead, from one epoch into the next."""

    def __init__(
        self, order: EpochSampler, augmentation: Augmentation, workers: int, device: torch.device
    ):
        self.order, self.device, self.workers = order, device, workers
        self.views = AugmentedDataset(order, augmentation)
        self._ahead: Iterator | None = None
        self._next = (-1, -1)

    def epoch(self, epoch: int, first: int) -> Iterator[Batch]:
        """Yield the batches of an epoch from step ``first`` on."""
        if self._ahead is None or self._next != (epoch, first):
            self._ahead = iter(
                DataLoader(
                    self.views,
                    batch_sampler=_BatchSampler(self.order, epoch, first),
                    num_workers=self.workers,
                    worker_init_fn=_start_worker,
                    # Not forked: OpenCV waits for ever for threads that a fork leaves behind.
                    multiprocessing_context='spawn' if self.workers else None,
                    prefetch_factor=4 if self.workers else None,
                    pin_memory=self.device.type == 'cuda',
                )
            )
        for step in range(first, self.order.steps):
            frames, targets = next(self._ahead)
            done = step + 1 == self.order.steps
            self._next = (epoch + 1, 0) if done else (epoch, step + 1)
            yield (
                frames.to(self.device, non_blocking=True),
                targets.to(self.device, non_blocking=True),
            )


class _BatchSampler:
    """The keys of batch after batch without end."""

    def __init__(self, order: EpochSampler, epoch: int, first: int):
        self.order, self.epoch, self.first = order, epoch, first

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        """Yield the keys (epoch, position) of a batch."""
        epoch, step = self.epoch, self.first
        while True:
            for number in range(step, self.order.steps):
                yield [(epoch, position) for position in self.order.positions(number)]
            epoch, step = epoch + 1, 0


def _start_worker(_: int) -> None:
    """Leave Ctrl-C to the main process, and the other cores to the other workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    cv2.setNumThreads(1)


class ResidentBatches:
    """All pairs on the device, where views are cut from them a batch at a time."""

    def __init__(
        self,
        order: EpochSampler,
        augmentation: Augmentation,
        device: torch.device,
        progress: bool = True,
    ):
        self.order, self.augmentation, self.device = order, augmentation, device
        self.stacks: list[tuple[Tensor, Tensor]] = []
        self.place: dict[tuple[int, int], tuple[int, int]] = {}
        for number, data in enumerate(order.sets):
            self._load(number, data, progress)

    def _load(self, number: int, data: LabelledDataset, progress: bool) -> None:
        """Read a set and stack its pairs by size."""
        by_size: dict[tuple[int, int], list] = {}
        with ThreadPoolExecutor() as pool:
            pairs = pool.map(data.read, range(len(data.pairs)))
            for index, (image, mask) in enumerate(
                tqdm(
                    pairs,
                    f'loading {data.name}',
                    len(data.pairs),
                    leave=False,
                    disable=not progress,
                )
            ):
                by_size.setdefault(mask.shape, []).append((index, image, mask))
        for members in by_size.values():
            for row, (index, _, _) in enumerate(members):
                self.place[number, index] = len(self.stacks), row
            images, masks = (
                torch.from_numpy(np.stack([m[part] for m in members])).to(self.device)
                for part in (1, 2)
            )
            self.stacks.append((images, masks))

    def epoch(self, epoch: int, first: int) -> Iterator[Batch]:
        """Yield the batches of an epoch from step ``first`` on."""
        order = self.order.of(epoch)
        for step in range(first, self.order.steps):
            positions = self.order.positions(step)
            by_stack: dict[int, list[tuple[int, int, int]]] = {}
            for slot, position in enumerate(positions):
                stack, row = self.place[tuple(order[position])]
                by_stack.setdefault(stack, []).append((slot, row, position))
            frames = torch.empty(
                len(positions),
                *self.augmentation.crop_size,
                3,
                dtype=torch.uint8,
                device=self.device,
            )
            targets = torch.empty(
                len(positions), *self.augmentation.crop_size, dtype=torch.int64, device=self.device
            )
            for stack, members in by_stack.items():
                images, masks = self.stacks[stack]
                _, height, width = masks.shape
                drawn = [
                    self.augmentation.draw((height, width), self.order.random(epoch, position))
                    for _, _, position in members
                ]
                slots, rows = (
                    torch.tensor([m[part] for m in members], device=self.device) for part in (0, 1)
                )
                frames[slots], targets[slots] = augment_batch.views(
                    images[rows], masks[rows], drawn, self.augmentation.crop_size
                )
            yield frames, targets


def bytes_resident(sets: list[LabelledDataset]) -> int:
    """Return about how many bytes ``ResidentBatches`` needs, by each set's first pair."""
    return sum(len(data.pairs) * 4 * data.read(0)[1].size for data in sets)


def fits(sets: list[LabelledDataset], device: torch.device) -> bool:
    """Return whether the pairs take less than half of the memory that is free on a GPU."""
    return device.type == 'cuda' and (
        bytes_resident(sets) < 0.5 * torch.cuda.mem_get_info(device)[0]
    )


def default_workers(device: torch.device) -> int:
    """Return how many worker processes read pictures where nothing else is said."""
    return min(16, os.cpu_count() or 1) if device.type == 'cuda' else 1
