"""Which pairs an epoch draws, and that every way of loading gives the same batches."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from asap_training import data_loading, datasets, recipe
from asap_training.augment import Augmentation
from asap_training.data_loading import EpochSampler, ResidentBatches, WorkerBatches
from asap_training.datasets import DataError

CPU = torch.device('cpu')
VIEW = Augmentation(crop_size=(32, 32), colour_jitter=0.0, hue=0.0)


@pytest.fixture
def data(tiny_camvid):
    used = recipe.load('camvid_resnet18')
    return used.train[0].open({'camvid': tiny_camvid}, used.label_set)


def test_an_epoch_draws_by_weight_and_repeats(data):
    sets = [data, replace(data, weight=1.5)]
    order = EpochSampler(sets, 4, seed=0)
    numbers = order.of(3)[:, 0]
    assert (numbers == 0).sum() == 8 and (numbers == 1).sum() == 12
    assert order.steps == 5
    np.testing.assert_array_equal(order.of(3), EpochSampler(sets, 4, seed=0).of(3))
    assert not np.array_equal(order.of(3), order.of(4))
    assert not np.array_equal(order.of(3), EpochSampler(sets, 4, seed=1).of(3))


def test_a_data_set_is_held_in_memory_where_it_fits(data):
    held = datasets.cache_in_memory(data, 2**20)
    data.pairs[0].image.unlink()
    assert held.read(0)[0].shape == (64, 96, 3) and held.name == data.name
    other = replace(data, pairs=data.pairs[1:])
    assert datasets.cache_in_memory(other, 1000) is other


def test_too_few_pairs_for_a_batch_are_refused(data):
    with pytest.raises(DataError, match='8 pairs an epoch do not fill one batch of 9'):
        EpochSampler([data], 9, seed=0)


@pytest.mark.parametrize('workers', [0, 2])
def test_batches_go_on_where_they_stopped_and_into_the_next_epoch(data, workers):
    """From any step on, with workers that read ahead or without."""
    order = EpochSampler([data], 2, seed=0)
    whole = WorkerBatches(order, VIEW, 0, CPU)
    expected = [*whole.epoch(0, 0), *whole.epoch(1, 0)]
    later = WorkerBatches(order, VIEW, workers, CPU)
    for (frames, targets), (other, labels) in zip(
        [*later.epoch(0, 3), *later.epoch(1, 0)], expected[3:], strict=True
    ):
        assert torch.equal(frames, other) and torch.equal(targets, labels)


def test_resident_batches_are_those_that_are_read(data):
    """Two sets of different sizes: each batch mixes them in the order that was drawn."""
    sets = [data, replace(data, resize=(32, 64))]
    order = EpochSampler(sets, 4, seed=0)
    read, resident = (
        WorkerBatches(order, VIEW, 0, CPU),
        ResidentBatches(order, VIEW, CPU, progress=False),
    )
    for (frames, targets), (other, labels) in zip(
        read.epoch(1, 1), resident.epoch(1, 1), strict=True
    ):
        assert torch.equal(targets, labels)
        assert (frames.int() - other.int()).abs().max() <= 2


def test_the_memory_that_resident_data_need_is_known(data):
    assert data_loading.bytes_resident([data]) == 8 * 64 * 96 * 4
    held = ResidentBatches(EpochSampler([data], 4, 0), VIEW, CPU, progress=False).stacks
    assert sum(t.numel() for stack in held for t in stack) == 8 * 64 * 96 * 4
    assert not data_loading.fits([data], CPU)
