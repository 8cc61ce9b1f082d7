"""A tiny data set in CamVid's layout: coloured halves that a network learns in a few steps."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from asap_training import export, golden_frame, train

# Threads that share so little work wait for each other, above all where others use the cores too.
torch.set_num_threads(1)

SKY, ROAD, UNLABELLED = 0, 3, 11


def write_pair(root: Path, split: str, stem: str, random: np.random.Generator) -> None:
    """Write a blue sky over a grey road, the horizon somewhere in the middle."""
    horizon = int(random.integers(24, 40))
    image = np.empty((64, 96, 3), np.uint8)
    image[:horizon], image[horizon:] = (220, 140, 60), (90, 90, 90)
    image = np.clip(image + random.integers(-12, 13, image.shape), 0, 255).astype(np.uint8)
    mask = np.full((64, 96), ROAD, np.uint8)
    mask[:horizon], mask[-4:] = SKY, UNLABELLED
    for folder, pixels in ((split, image), (f'{split}annot', mask)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / folder / f'{stem}.png'), pixels)


@pytest.fixture
def tiny_camvid(tmp_path) -> Path:
    """Return a folder with 8 training and 2 validation pairs of 64x96."""
    return write_camvid(tmp_path / 'camvid')


def write_camvid(root: Path) -> Path:
    """Write the tiny data set in CamVid's layout."""
    random = np.random.default_rng(0)
    for split, count in (('train', 8), ('val', 2)):
        stems = [f'{split}_{number}' for number in range(count)]
        for stem in stems:
            write_pair(root, split, stem, random)
        (root / f'{split}.txt').write_text('\n'.join(stems))
    return root


TINY = """
name: tiny
labels: camvid
network: {trunk: resnet18, neck_channels: 8, channels: 8, key_channels: 4}
train: [{data: camvid, layout: camvid, split: train}]
validation: {data: camvid, layout: camvid, split: val}
size: [64, 96]
augmentation: {crop: [64, 64], scales: [1.0, 1.5]}
optimisation: {epochs: 2, batch: 4, rate: 0.02, warm_up: 2, average: 0.5}
"""


@pytest.fixture
def tiny_recipe(tmp_path) -> Path:
    """Return a recipe that trains the smallest network on the tiny data for two epochs."""
    path = tmp_path / 'tiny.yaml'
    path.write_text(TINY)
    return path


def run_training(chosen: Path, data: Path, out: Path, *extra: str) -> None:
    """Train in this process, without workers, on the CPU."""
    train.main(
        [
            str(chosen),
            '--data',
            f'camvid={data}',
            '--out',
            str(out),
            '--workers',
            '0',
            '--device',
            'cpu',
            *extra,
        ]
    )


@pytest.fixture(scope='session')
def trained_once(tmp_path_factory) -> Path:
    """Return a folder with the tiny data and recipe, and a finished run of eight epochs."""
    root = tmp_path_factory.mktemp('trained')
    write_camvid(root / 'camvid')
    (root / 'tiny.yaml').write_text(TINY)
    run_training(root / 'tiny.yaml', root / 'camvid', root / 'run', '--epochs', '8')
    return root


@pytest.fixture
def trained(trained_once, tmp_path) -> Path:
    """Return a copy of that run's folder, for this test alone."""
    return Path(shutil.copytree(trained_once / 'run', tmp_path / 'run'))


@pytest.fixture
def tiny_golden(monkeypatch):
    """Let the tiny network, which knows two classes, prove itself on a frame of 64x96."""
    monkeypatch.setattr(
        golden_frame,
        'frame',
        lambda: np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8),
    )
    monkeypatch.setattr(export, 'FEWEST_CLASSES', 1)
