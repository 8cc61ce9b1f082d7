"""From the pixels of a camera to the numbers that an encoder was pretrained on."""

from __future__ import annotations

import torch
from torch import Tensor

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
"""ImageNet's channel statistics, RGB, 0 to 255, as every torchvision weight expects."""


def normalise(frames: Tensor) -> Tensor:
    """Turn uint8 RGB (N, H, W, 3) into float32 (N, 3, H, W) of zero mean and unit deviation.

    Cast first, then transposed: TensorRT-RTX takes no transpose of a uint8 tensor.
    """
    mean = torch.tensor(MEAN, device=frames.device)
    scale = 1.0 / torch.tensor(STD, device=frames.device)
    return ((frames.float() - mean) * scale).permute(0, 3, 1, 2)
