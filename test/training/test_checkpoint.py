"""Checkpoints on disk: whole or not at all, and refused where they do not fit."""

import os

import pytest
import torch
from safetensors.torch import save_file

from asap_ros.network.asap import Asap
from asap_ros.network.config import SLIM_4
from asap_training import checkpoint
from asap_training.checkpoint import Checkpoint, CheckpointError
from support.full_disk import until_the_disk_is_full


def test_a_full_disk_leaves_the_old_checkpoint_whole(tmp_path, monkeypatch):
    path = tmp_path / 'last.safetensors'
    checkpoint.save(path, Checkpoint({'average/x': torch.ones(2)}, {'epoch': 1}))

    monkeypatch.setattr(checkpoint, 'save_file', until_the_disk_is_full(checkpoint.save_file))
    with pytest.raises(OSError, match='(?s)File too large.*as it was'):
        checkpoint.save(path, Checkpoint({'average/x': torch.zeros(2000)}, {'epoch': 2}))
    assert os.listdir(tmp_path) == ['last.safetensors']
    kept = checkpoint.load(path)
    assert kept.facts['epoch'] == 1 and kept.part('average')['x'].tolist() == [1, 1]


def test_damaged_and_foreign_checkpoints_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match='no checkpoint'):
        checkpoint.load(tmp_path / 'none.safetensors')
    (tmp_path / 'cut.safetensors').write_bytes(b'\x10\0\0\0\0\0\0\0{"a"')
    with pytest.raises(CheckpointError, match='damaged'):
        checkpoint.load(tmp_path / 'cut.safetensors')
    save_file({'x': torch.ones(1)}, tmp_path / 'other.safetensors')
    with pytest.raises(CheckpointError, match='not written by asap_training'):
        checkpoint.load(tmp_path / 'other.safetensors')


def test_weights_of_another_configuration_are_refused():
    small = Asap(SLIM_4).state_dict() | {'classifier.weight': torch.zeros(3, 64, 1, 1)}
    with pytest.raises(CheckpointError, match='(?s)another configuration.*classifier.weight'):
        checkpoint.load_weights(Asap(SLIM_4), small)


def test_encoder_weights_fit_or_are_refused(tmp_path):
    model = Asap(SLIM_4)
    tensors = {
        k: torch.full_like(v, 0.5)
        for k, v in model.encoder.state_dict().items()
        if not k.endswith('num_batches_tracked')
    }
    save_file(tensors | {'fc.weight': torch.zeros(2, 2)}, tmp_path / 'encoder.safetensors')
    checkpoint.load_encoder(model, tmp_path / 'encoder.safetensors')
    assert (model.encoder.conv1.weight == 0.5).all()
    del tensors['layer3.0.conv1.weight']
    save_file(tensors, tmp_path / 'less.safetensors')
    with pytest.raises(CheckpointError, match='layer3.0.conv1.weight'):
        checkpoint.load_encoder(model, tmp_path / 'less.safetensors')
