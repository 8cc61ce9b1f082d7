"""ResNet-18 and MobileNetV2 as feature extractors, with torchvision's names for the weights.

Sources: He et al., Deep Residual Learning, 2015, table 1; Sandler et al., MobileNetV2, 2018,
table 2. The names let any ImageNet weights in torchvision's layout be read as they are.
"""

from __future__ import annotations

from torch import Tensor, nn

from asap_ros.network.config import Encoder


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (N, C, H, W) -> (N, out, H/stride, W/stride)."""

    def __init__(self, channels: int, out: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, (N, out, H/stride, W/stride)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + shortcut)


class ResNet18(nn.Module):
    """(N, 3, H, W) -> maps of 64, 128, 256 and 512 channels at strides 4, 8, 16 and 32."""

    channels = (64, 128, 256, 512)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = self._stage(64, 64, stride=1)
        self.layer2 = self._stage(64, 128, stride=2)
        self.layer3 = self._stage(128, 256, stride=2)
        self.layer4 = self._stage(256, 512, stride=2)

    @staticmethod
    def _stage(channels: int, out: int, stride: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(channels, out, stride), BasicBlock(out, out, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the four stages' outputs, finest first."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps


def _relu6_block(
    channels: int, out: int, kernel: int, stride: int, groups: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Expand, depthwise 3x3, project: (N, C, H, W) -> (N, out, H/stride, W/stride)."""

    def __init__(self, channels: int, out: int, stride: int, expansion: int):
        super().__init__()
        hidden = channels * expansion
        expand = [_relu6_block(channels, hidden, 1, 1)] if expansion != 1 else []
        self.conv = nn.Sequential(
            *expand,
            _relu6_block(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, (N, out, H/stride, W/stride)."""
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """(N, 3, H, W) -> maps of 24, 32, 96 and 320 channels at strides 4, 8, 16 and 32."""

    channels = (24, 32, 96, 320)
    _settings = (  # expansion, channels, blocks, stride
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )
    _outputs = (3, 6, 13, 17)  # the last block at each of the four strides

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_relu6_block(3, 32, 3, 2)]
        width = 32
        for expansion, out, blocks, stride in self._settings:
            for block in range(blocks):
                step = stride if block == 0 else 1
                layers.append(InvertedResidual(width, out, step, expansion))
                width = out
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of the blocks that end strides 4, 8, 16 and 32, finest first."""
        maps = []
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in self._outputs:
                maps.append(x)
        return maps


def build(encoder: Encoder) -> ResNet18 | MobileNetV2:
    """Return the encoder with random weights; ``channels`` states the widths of its four maps."""
    return ResNet18() if encoder is Encoder.RESNET18 else MobileNetV2()
