"""The smallest network, trained in this process on the tiny data of tiny_datasets.camvid()."""

from __future__ import annotations

from pathlib import Path

from asap_training import train

RECIPE = """
name: tiny
labels: camvid
network: {encoder: resnet18, neck_channels: 8, channels: 8, key_channels: 4}
train: [{data: camvid, layout: camvid, split: train}]
validation: {data: camvid, layout: camvid, split: val}
size: [64, 96]
augmentation: {crop_size: [64, 64], scales: [1.0, 1.5]}
optimisation: {epochs: 2, batch_size: 4, lr: 0.02, warmup_steps: 2, ema_decay: 0.5}
"""


def run_training(recipe: Path, data: Path, out: Path, *extra: str) -> None:
    """Train in this process, without workers, on the CPU."""
    arguments = [str(recipe), '--data', f'camvid={data}', '--out', str(out)]
    train.main([*arguments, '--workers', '0', '--device', 'cpu', *extra])
