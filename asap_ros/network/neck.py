"""The paper's *FPN: the feature pyramid's neck, which it names but does not spell out.

Ours is the plain reading of Lin et al. 2017: a 1x1 lateral a level, the coarser level added from
above, a 3x3 convolution block that smooths the sum. Without the last, the top-down path would be
a linear map that the fusion's 1x1 convolution could learn alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from asap_ros.network.layers import ConvBlock, ConvNorm, resize


class FeaturePyramid(nn.Module):
    """Four encoder maps -> P1 to P4 of one width at strides 4, 8, 16 and 32."""

    def __init__(self, encoder_channels: Sequence[int], channels: int):
        super().__init__()
        self.laterals = nn.ModuleList(ConvNorm(width, channels) for width in encoder_channels)
        self.smooth = nn.ModuleList(ConvBlock(channels, channels) for _ in encoder_channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Return [P1, P2, P3, P4]: (N, C_i, H/s_i, W/s_i) each -> (N, channels, H/s_i, W/s_i)."""
        sums = [lateral(x) for lateral, x in zip(self.laterals, maps)]
        for level in range(len(sums) - 2, -1, -1):
            sums[level] = sums[level] + resize(sums[level + 1], sums[level].shape[-2:])
        return [smooth(x) for smooth, x in zip(self.smooth, sums)]
