"""The rows of the paper's Tables II and III, and of the readings that it leaves open."""

from __future__ import annotations

from dataclasses import dataclass

from asap_ros.network import costs
from asap_ros.network.config import SLIM_4, WIDE_8, AsapConfig, Attention, Fusion


@dataclass(frozen=True)
class AblationRow:
    """One network to train.

    ``name``: its folder; ``changes``: entries of AsapConfig that differ from the recipe's.
    """

    name: str
    changes: dict


@dataclass(frozen=True)
class TableLine:
    """One line of the tables: a row's result beside the paper's figures, None where it has none.

    ``paper_miou`` in %, ``paper_cost`` in 10^9 multiply-accumulates of the module alone.
    """

    table: str
    label: str
    row: str
    paper_miou: float | None = None
    paper_cost: float | None = None


_SHAPE = ('fused_stride', 'merge', 'channels', 'key_channels')


def _shape(config: AsapConfig) -> dict:
    return {name: config.to_dict()[name] for name in _SHAPE}


ROWS = (
    AblationRow('asap', {}),
    AblationRow('fusion_none', {'fusion': 'none'}),
    AblationRow('fusion_layer_norm', {'fusion': 'layer_norm'}),
    AblationRow('fusion_instance_norm', {'fusion': 'instance_norm'}),
    AblationRow('fusion_general', {'fusion': 'general'}),
    AblationRow('attention_conventional', {'attention': 'conventional'}),
    AblationRow('attention_horizontal', {'attention': 'horizontal'}),
    AblationRow('slim_4', _shape(SLIM_4)),
    AblationRow('wide_8', _shape(WIDE_8)),
)

FUSION = 'Table II: norms in the fusion'
MODULES = 'Table III: fusion and attention'
READINGS = 'Readings of the paper'

LINES = (
    TableLine(FUSION, 'w/o FFDN', 'fusion_none', 67.4),
    TableLine(FUSION, 'only layer norm', 'fusion_layer_norm', 70.0),
    TableLine(FUSION, 'only instance norm', 'fusion_instance_norm', 74.9),
    TableLine(FUSION, 'FFDN', 'asap', 75.1),
    TableLine(MODULES, 'fusion: general', 'fusion_general', 74.4, 1.08),
    TableLine(MODULES, 'fusion: FFDN', 'asap', 75.9, 0.54),
    TableLine(MODULES, 'attention: conventional', 'attention_conventional', 76.7, 87.52),
    TableLine(MODULES, 'attention: horizontal', 'attention_horizontal', 74.6, 0.22),
    TableLine(MODULES, 'attention: vertical', 'asap', 75.9, 0.22),
    TableLine(READINGS, 'slim-4: 64 channels at 1/4, norms summed', 'slim_4'),
    TableLine(READINGS, 'wide-8: 256 channels at 1/8, norms concatenated', 'wide_8'),
)


def network(row: AblationRow, base: AsapConfig) -> AsapConfig:
    """Return the network of a row.

    The width of the fused map stays that of the base: FFDN whose norms are concatenated has a
    projection of half of it, every other fusion one of the whole.
    """
    return AsapConfig.from_dict(base.to_dict() | row.changes)


def distinct(base: AsapConfig) -> dict[str, str]:
    """Return, for each row's name, the first row with the same network: those are trained once."""
    first: dict[AsapConfig, str] = {}
    return {row.name: first.setdefault(network(row, base), row.name) for row in ROWS}


def module_cost(config: AsapConfig, line: TableLine) -> int | None:
    """Return the multiply-accumulates of the module that a line of Table III is about.

    As the paper writes it, at the input of the reading: 512x1024 at stride 4, 1024x1024 at 8.
    None for lines of other tables.
    """
    if line.table != MODULES:
        return None
    height, width = (512, 1024) if config.fused_stride == 4 else (1024, 1024)
    if config.attention is Attention.HORIZONTAL and line.label.startswith('attention'):
        height, width = width, height  # vertical attention of the picture on its side
    own = costs.table_three(config, height, width)
    if line.label.startswith('fusion'):
        return own.general if config.fusion is Fusion.GENERAL else own.ffdn
    return own.conventional if config.attention is Attention.CONVENTIONAL else own.vertical
