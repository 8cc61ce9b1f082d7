"""Feature fusion: the pyramid's levels become one map (paper, section II, Fig. 2, Tables II, III).

The paper resizes P1 to P4 to one grid, concatenates them and convolves 1x1. A 1x1 convolution
mixes channels, a bilinear resize mixes positions with weights that sum to one, so the two commute:
each level is convolved on its own small grid and the resized results are added. The values are
the paper's; the concatenated map (four times the width at the finest grid) is never made.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from asap_ros.network.config import AsapConfig, Fusion, Merge
from asap_ros.network.layers import resize

LEVELS = 4
EPSILON = 1e-5


class LevelFusion(nn.Module):
    """Resize, concatenate and convolve 1x1, in the order that costs least."""

    def __init__(self, channels: int, out: int, bias: bool):
        super().__init__()
        self.project = nn.Conv2d(LEVELS * channels, out, 1, bias=bias)

    def forward(self, levels: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """[P1, P2, P3, P4], each (N, C, h_i, w_i) -> (N, out, *size)."""
        weights = self.project.weight.chunk(LEVELS, dim=1)
        # The bias is added once, on the smallest grid; a resize leaves a constant as it is.
        fused = resize(functional.conv2d(levels[-1], weights[-1], self.project.bias), size)
        for level, weight in zip(levels[:-1], weights):
            fused = fused + resize(functional.conv2d(level, weight), size)
        return fused


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and biased variance over (H, W), each (N, C, 1, 1): instance norm's."""
    mean = x.mean((2, 3), keepdim=True)
    return mean, (x - mean).square().mean((2, 3), keepdim=True)


def layer_moments(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance over (C, H, W), each (N, 1, 1, 1), from those over (H, W).

    The law of total variance: mean of the variances plus variance of the means.
    """
    whole = mean.mean(1, keepdim=True)
    return whole, (variance + (mean - whole).square()).mean(1, keepdim=True)


class DifferentNorms(nn.Module):
    """FFDN's norms: layer norm over (C, H, W) (eq. 1) and instance norm over (H, W) (eq. 2).

    Neither has parameters of its own (paper: "without any additional parameters"). Both are
    affine per channel and share their statistics, so the map is read twice, not five times. They
    are computed in float32 whatever the precision around them.
    """

    def __init__(self, fusion: Fusion, merge: Merge):
        super().__init__()
        self.layer = fusion in (Fusion.FFDN, Fusion.LAYER_NORM)
        self.instance = fusion in (Fusion.FFDN, Fusion.INSTANCE_NORM)
        self.concatenate = merge is Merge.CONCAT

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W), or (N, 2C, H, W) where two norms are concatenated."""
        with torch.autocast(x.device.type, enabled=False):
            values = x.float()
            mean, variance = moments(values)
            affine = []
            if self.layer:
                whole_mean, whole_variance = layer_moments(mean, variance)
                gain = (whole_variance + EPSILON).rsqrt()
                affine.append((gain, -whole_mean * gain))
            if self.instance:
                gain = (variance + EPSILON).rsqrt()
                affine.append((gain, -mean * gain))
            if len(affine) == 2 and self.concatenate:
                values = torch.cat([values * gain + shift for gain, shift in affine], 1)
            elif affine:
                values = values * sum(gain for gain, _ in affine) + sum(
                    shift for _, shift in affine
                )
        return values.to(x.dtype)


class FeatureFusion(nn.Module):
    """1x1 convolution and FFDN's norms, or those that Table II leaves out."""

    def __init__(self, config: AsapConfig):
        super().__init__()
        both = config.fusion is Fusion.FFDN and config.merge is Merge.CONCAT
        width = config.channels // 2 if both else config.channels
        self.levels = LevelFusion(config.neck_channels, width, bias=True)
        self.norms = DifferentNorms(config.fusion, config.merge)

    def forward(self, levels: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """[P1, P2, P3, P4] -> (N, channels, *size)."""
        return self.norms(self.levels(levels, size))


class GeneralFusion(nn.Module):
    """Table III's rival: conv-BN-ReLU, global average pool, conv-BN-sigmoid gate."""

    def __init__(self, config: AsapConfig):
        super().__init__()
        width = config.channels
        self.levels = LevelFusion(config.neck_channels, width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.Sigmoid(),
        )

    def forward(self, levels: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """[P1, P2, P3, P4] -> (N, channels, *size)."""
        fused = functional.relu(self.norm(self.levels(levels, size)))
        return fused + fused * self.gate(fused)


def build(config: AsapConfig) -> FeatureFusion | GeneralFusion:
    """Return the fusion that the configuration names."""
    return GeneralFusion(config) if config.fusion is Fusion.GENERAL else FeatureFusion(config)
