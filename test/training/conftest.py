"""What tests of training share: tiny data, a tiny recipe, and a run that is trained once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from asap_training import export, golden_frame
from support import tiny_datasets
from support.tiny_training import RECIPE, run_training

# Threads that share so little work wait for each other, above all where others use the cores too.
torch.set_num_threads(1)


@pytest.fixture
def tiny_camvid(tmp_path) -> Path:
    """Return a folder with 8 training and 2 validation pairs of 64x96."""
    return tiny_datasets.camvid(tmp_path / 'camvid')


@pytest.fixture
def tiny_recipe(tmp_path) -> Path:
    """Return a recipe that trains the smallest network on the tiny data for two epochs."""
    path = tmp_path / 'tiny.yaml'
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope='session')
def trained_once(tmp_path_factory) -> Path:
    """Return a folder with the tiny data and recipe, and a finished run of eight epochs."""
    root = tmp_path_factory.mktemp('trained')
    tiny_datasets.camvid(root / 'camvid')
    (root / 'tiny.yaml').write_text(RECIPE)
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
