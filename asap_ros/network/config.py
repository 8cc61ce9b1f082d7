"""One frozen value that states which ASAP network is meant."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from enum import Enum


class ConfigError(ValueError):
    """A configuration that names no network; the message says which value and what is possible."""


class Encoder(str, Enum):
    """Where the four feature maps at strides 4, 8, 16 and 32 come from."""

    RESNET18 = 'resnet18'
    MOBILENET_V2 = 'mobilenet_v2'


class Fusion(str, Enum):
    """What joins the pyramid's levels: the rows of the paper's Table II, and Table III's rival."""

    NONE = 'none'
    LAYER_NORM = 'layer_norm'
    INSTANCE_NORM = 'instance_norm'
    FFDN = 'ffdn'
    GENERAL = 'general'


class Merge(str, Enum):
    """How FFDN puts its two normalised maps together; the paper does not say."""

    SUM = 'sum'
    CONCAT = 'concat'


class Attention(str, Enum):
    """Which positions self-attention compares: the rows of the paper's Table III."""

    NONE = 'none'
    CONVENTIONAL = 'conventional'
    HORIZONTAL = 'horizontal'
    VERTICAL = 'vertical'


@dataclass(frozen=True)
class AsapConfig:
    """Everything that decides the network's shape; a checkpoint and an ONNX file carry it.

    ``neck_channels``: width of each pyramid level P1 to P4.
    ``fused_stride``: 4 or 8; the grid on which levels are fused and attention looks.
    ``channels``: width C of the fused map, of V and of the head.
    ``key_channels``: width of Q and K, the paper's C-hat.
    ``attention_scale``: divide the logits by the root of ``key_channels``; not in the paper.
    ``attention_gain``: learn a gain on the attention branch, from 0; not in the paper.
    """

    classes: int = 11
    encoder: Encoder = Encoder.RESNET18
    neck_channels: int = 64
    fused_stride: int = 4
    fusion: Fusion = Fusion.FFDN
    merge: Merge = Merge.SUM
    channels: int = 64
    key_channels: int = 16
    attention: Attention = Attention.VERTICAL
    attention_scale: bool = False
    attention_gain: bool = False

    def __post_init__(self) -> None:
        """Turn strings into their enumerations and raise ConfigError on an impossible value."""
        for name, kind in _ENUMERATIONS.items():
            try:
                object.__setattr__(self, name, kind(getattr(self, name)))
            except ValueError as error:
                possible = ', '.join(member.value for member in kind)
                raise ConfigError(f'{name}: {error}; possible are {possible}') from None
        if self.fused_stride not in (4, 8):
            raise ConfigError(f'fused_stride: {self.fused_stride} is neither 4 nor 8')
        if not 2 <= self.classes <= 254:
            raise ConfigError(f'classes: {self.classes} is not 2 to 254')
        for name in ('neck_channels', 'channels', 'key_channels'):
            if getattr(self, name) < 1:
                raise ConfigError(f'{name}: {getattr(self, name)} is not positive')
        if self.fusion is Fusion.FFDN and self.merge is Merge.CONCAT and self.channels % 2:
            raise ConfigError(f'channels: {self.channels} cannot be two maps of equal width')

    def to_dict(self) -> dict:
        """Return plain values that ``from_dict`` reads back."""
        return {k: v.value if isinstance(v, Enum) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict) -> AsapConfig:
        """Return the configuration that ``to_dict`` wrote; ConfigError names unknown keys."""
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ConfigError(f'unknown configuration keys: {", ".join(sorted(unknown))}')
        return cls(**values)


_ENUMERATIONS: dict[str, type[Enum]] = {
    'encoder': Encoder,
    'fusion': Fusion,
    'merge': Merge,
    'attention': Attention,
}

SLIM_4 = AsapConfig()
"""Reading of Table III at 512x1024: 64 channels at stride 4, the norms summed."""

WIDE_8 = AsapConfig(fused_stride=8, merge=Merge.CONCAT, channels=256, key_channels=64)
"""Reading of Table III at 1024x1024: 256 channels at stride 8, the norms concatenated."""
