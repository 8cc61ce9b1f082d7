"""ASAP, the network of Park et al. 2022: encoder, pyramid, FFDN, vertical attention, head."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from asap_ros.network import encoders, fusion
from asap_ros.network.attention import SelfAttention
from asap_ros.network.config import AsapConfig, Attention
from asap_ros.network.layers import AuxiliaryHead, ConvBlock, resize
from asap_ros.network.neck import FeaturePyramid

STRIDE = 32
"""Height and width of an input must be multiples of this."""


class ClassScores(NamedTuple):
    """Class scores before softmax, (N, K, H/s, W/s) each.

    ``main``: s is the fused stride; ``aux3``, ``aux4``: s is 16 and 32, on P3 and P4 (eq. 5).
    """

    main: Tensor
    aux3: Tensor
    aux4: Tensor


class Asap(nn.Module):
    """An RGB image, normalised -> class scores."""

    def __init__(self, config: AsapConfig):
        super().__init__()
        self.config = config
        self.encoder = encoders.build(config.encoder)
        self.neck = FeaturePyramid(self.encoder.channels, config.neck_channels)
        self.fusion = fusion.build(config)
        attend = config.attention is not Attention.NONE
        self.attention = SelfAttention(config) if attend else nn.Identity()
        self.block = ConvBlock(config.channels, config.channels)
        self.classifier = nn.Conv2d(config.channels, config.classes, 1)
        self.aux3 = AuxiliaryHead(config.neck_channels, config.classes)
        self.aux4 = AuxiliaryHead(config.neck_channels, config.classes)

    def levels(self, image: Tensor) -> list[Tensor]:
        """(N, 3, H, W) -> [P1, P2, P3, P4], (N, neck_channels, H/s, W/s), s = 4, 8, 16, 32.

        Raises ValueError where H or W is not a positive multiple of 32.
        """
        height, width = image.shape[-2:]
        if height % STRIDE or width % STRIDE or not height or not width:
            raise ValueError(
                f'an image of {height}x{width} (height x width) does not fit: '
                f'both must be multiples of {STRIDE}'
            )
        return self.neck(self.encoder(image))

    def scores(self, levels: list[Tensor]) -> Tensor:
        """[P1, P2, P3, P4] -> (N, K, H/fused_stride, W/fused_stride)."""
        grid = levels[{4: 0, 8: 1}[self.config.fused_stride]].shape[-2:]
        return self.classifier(self.block(self.attention(self.fusion(levels, grid))))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, K, H/fused_stride, W/fused_stride)."""
        return self.scores(self.levels(image))

    def training_scores(self, image: Tensor) -> ClassScores:
        """(N, 3, H, W) -> Scores, each (N, K, H/s, W/s)."""
        levels = self.levels(image)
        return ClassScores(self.scores(levels), self.aux3(levels[2]), self.aux4(levels[3]))

    def label_scores(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, K, H, W): the scores that a label mask is the argmax of."""
        return resize(self(image), image.shape[-2:])
