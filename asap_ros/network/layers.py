"""The small layers that every part of the network is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Module = TypeVar('Module', bound=nn.Module)


class ConvNorm(nn.Sequential):
    """Convolution without bias, then batch norm: (N, C, H, W) -> (N, out, H/stride, W/stride)."""

    def __init__(self, channels: int, out: int, kernel: int = 1, stride: int = 1):
        super().__init__(
            nn.Conv2d(channels, out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(out)
        )


class ConvBlock(nn.Sequential):
    """The paper's Conv Block, 3x3 convolution, norm, ReLU: (N, C, H, W) -> (N, out, H, W)."""

    def __init__(self, channels: int, out: int):
        super().__init__(*ConvNorm(channels, out, 3), nn.ReLU(inplace=True))


class AuxiliaryHead(nn.Sequential):
    """Class scores from one pyramid level while training: (N, C, h, w) -> (N, K, h, w)."""

    def __init__(self, channels: int, classes: int):
        super().__init__(ConvBlock(channels, channels), nn.Conv2d(channels, classes, 1))


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, pixel areas aligned (not corners): (N, C, h, w) -> (N, C, *size)."""
    if x.shape[-2:] == tuple(size):
        return x
    return functional.interpolate(x, size=tuple(size), mode='bilinear', align_corners=False)


def to_channels_last(
    module: Module, device: torch.device | str, dtype: torch.dtype | None = None
) -> Module:
    """Return the module on a device, its weights laid out as convolutions are fastest with."""
    # torch's annotations leave the memory format out.
    return module.to(device, dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
