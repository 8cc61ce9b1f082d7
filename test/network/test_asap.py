"""The whole network: shapes, gradients, every variant of Tables II and III, what it costs."""

from dataclasses import replace

import pytest
import torch

from asap_ros.network import costs
from asap_ros.network.asap import Asap
from asap_ros.network.config import (
    SLIM_4,
    WIDE_8,
    AsapConfig,
    Attention,
    ConfigError,
    Encoder,
    Fusion,
)
from asap_ros.network.deployed import Deployed
from asap_training.losses import LossConfig, total_loss

VARIANTS = [
    replace(base, fusion=fusion, attention=attention)
    for base in (SLIM_4, WIDE_8)
    for fusion, attention in [
        *((fusion, Attention.VERTICAL) for fusion in Fusion),
        *((Fusion.FFDN, attention) for attention in Attention),
    ]
]


@pytest.mark.parametrize(
    'config', VARIANTS, ids=lambda c: f'{c.fused_stride}-{c.fusion.value}-{c.attention.value}'
)
def test_every_variant_of_the_tables_gives_scores(config):
    scores = Asap(config).eval().training_scores(torch.randn(1, 3, 64, 96))
    s = config.fused_stride
    assert scores.main.shape == (1, 11, 64 // s, 96 // s)
    assert scores.aux3.shape == (1, 11, 4, 6)
    assert scores.aux4.shape == (1, 11, 2, 3)


@pytest.mark.parametrize('encoder', Encoder)
@pytest.mark.parametrize('size', [(32, 32), (64, 32), (96, 160)])
def test_any_multiples_of_32(encoder, size):
    model = Asap(replace(SLIM_4, encoder=encoder)).eval()
    assert model.label_scores(torch.randn(2, 3, *size)).shape == (2, 11, *size)


@pytest.mark.parametrize('size', [(33, 32), (32, 0), (360, 480)])
def test_other_sizes_are_refused_by_name(size):
    with pytest.raises(ValueError, match=f'{size[0]}x{size[1]}.*multiples of 32'):
        Asap(SLIM_4)(torch.zeros(1, 3, *size))


@pytest.mark.parametrize(
    'config',
    [
        SLIM_4,
        WIDE_8,
        replace(SLIM_4, encoder=Encoder.MOBILENET_V2),
        replace(SLIM_4, fusion=Fusion.GENERAL),
    ],
)
def test_gradients_reach_every_parameter(config):
    torch.manual_seed(0)
    model = Asap(config).train()
    target = torch.randint(0, 11, (2, 64, 64))
    loss = total_loss(model.training_scores(torch.randn(2, 3, 64, 64)), target, None, LossConfig())
    loss.backward()
    # Softmax does not change when a constant is added to a row of logits, so the key's bias
    # rightly has a gradient of zero up to rounding.
    silent = [
        name
        for name, p in model.named_parameters()
        if name != 'attention.key.bias' and (p.grad is None or not p.grad.abs().sum() > 0)
    ]
    assert not silent


def test_multiply_accumulates_of_table_three():
    """The paper's Table III in multiply-accumulates, 10^9: 1.08, 0.54, 87.52."""
    wide = costs.table_three(WIDE_8, 1024, 1024)
    assert round(wide.conventional / 1e9, 2) == 87.52
    assert round(wide.ffdn / 1e9, 2) == 0.54
    assert wide.general / 1e9 == pytest.approx(1.08, abs=0.01)
    assert wide.vertical / 1e9 == pytest.approx(0.018, abs=0.0005)
    slim = costs.table_three(SLIM_4, 512, 1024)
    assert round(slim.ffdn / 1e9, 2) == 0.54
    assert slim.conventional / 1e9 == pytest.approx(86.1, abs=0.05)
    assert slim.vertical_unpooled / 1e9 == pytest.approx(0.21, abs=0.001)


@pytest.mark.parametrize('base', [SLIM_4, WIDE_8])
def test_counted_attention_is_the_formula(base):
    """What torch counts, biases apart, is what the formula says."""

    def count(attention):
        return costs.counted(Asap(replace(base, attention=attention)).eval(), 256, 256)

    columns, c, q = 256 // base.fused_stride, base.channels, base.key_channels
    formula = costs.table_three(base, 256, 256)
    without = count(Attention.NONE)
    assert count(Attention.VERTICAL) - without == formula.vertical - columns * (2 * q + c)
    zeros = columns**4 * (c - q)  # they widen Q and K to V
    assert count(Attention.CONVENTIONAL) - without - zeros == (
        formula.conventional - columns**2 * (2 * q + c)
    )


@pytest.mark.parametrize(
    'encoder, millions', [(Encoder.RESNET18, 18.95e9), (Encoder.MOBILENET_V2, 3e9)]
)
def test_encoder_costs_what_its_paper_says(encoder, millions):
    model = Asap(replace(SLIM_4, encoder=encoder)).eval()
    rest = model.encoder
    with torch.no_grad(), costs.FlopCounterMode(display=False) as counter:
        rest(torch.zeros(1, 3, 512, 1024))
    assert counter.get_total_flops() / 2 == pytest.approx(millions, rel=0.08)


def test_deployed_gives_labels_and_confidence():
    model = Asap(SLIM_4).eval()
    frames = torch.randint(0, 256, (2, 64, 96, 3), dtype=torch.uint8)
    labels, confidence = Deployed(model)(frames)
    assert labels.dtype == confidence.dtype == torch.uint8
    assert labels.shape == (2, 64, 96) and confidence.shape == (2, 16, 24)
    assert labels.max() < 11 and confidence.min() >= 255 // 11


@pytest.mark.parametrize(
    'values, message',
    [
        ({'encoder': 'vgg'}, 'encoder.*resnet18'),
        ({'fused_stride': 16}, 'neither 4 nor 8'),
        ({'classes': 1}, '2 to 254'),
        ({'channels': 0}, 'channels'),
        ({'merge': 'concat', 'channels': 63}, 'two maps'),
        ({'depth': 3}, 'unknown.*depth'),
    ],
)
def test_impossible_configurations_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        AsapConfig.from_dict(values)


def test_a_configuration_survives_a_checkpoint():
    assert AsapConfig.from_dict(WIDE_8.to_dict()) == WIDE_8
