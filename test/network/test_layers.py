"""Each layer of the network against its closed form."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from asap_ros.network import fusion
from asap_ros.network.attention import SelfAttention
from asap_ros.network.config import SLIM_4, Attention, Fusion, Merge
from asap_ros.network.fusion import EPSILON, DifferentNorms, FeatureFusion
from asap_ros.network.layers import resize
from asap_ros.network.normalisation import MEAN, STD, normalise


@pytest.fixture(name='x')
def _x() -> torch.Tensor:
    return torch.randn(2, 6, 5, 7, generator=torch.Generator().manual_seed(1)) * 3 + 2


def layer_norm(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.layer_norm(x, x.shape[1:], eps=EPSILON)


def instance_norm(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.instance_norm(x, eps=EPSILON)


@pytest.mark.parametrize(
    'kind, merge, expected',
    [
        (Fusion.LAYER_NORM, Merge.SUM, layer_norm),
        (Fusion.INSTANCE_NORM, Merge.SUM, instance_norm),
        (Fusion.FFDN, Merge.SUM, lambda x: layer_norm(x) + instance_norm(x)),
        (Fusion.FFDN, Merge.CONCAT, lambda x: torch.cat([layer_norm(x), instance_norm(x)], 1)),
        (Fusion.NONE, Merge.SUM, lambda x: x),
    ],
)
def test_norms_are_torchs(x, kind, merge, expected):
    torch.testing.assert_close(DifferentNorms(kind, merge)(x), expected(x))


def test_norms_have_no_parameters():
    assert not list(DifferentNorms(Fusion.FFDN, Merge.SUM).parameters())


def test_norms_are_computed_in_float32_whatever_the_input(x):
    """Half precision would overflow: the squares of these values exceed 65504."""
    large = (x * 300).half()
    out = DifferentNorms(Fusion.FFDN, Merge.SUM)(large)
    assert out.dtype == torch.float16
    expected = layer_norm(large.float()) + instance_norm(large.float())
    torch.testing.assert_close(out.float(), expected, atol=5e-3, rtol=5e-3)


def test_fusion_equals_convolving_the_concatenated_levels():
    """The cheap order of resize and 1x1 convolution gives the paper's values."""
    config = replace(SLIM_4, fusion=Fusion.NONE, neck_channels=3, channels=5)
    module = FeatureFusion(config)
    levels = [torch.randn(2, 3, 16 // s, 24 // s) for s in (1, 2, 4, 8)]
    concatenated = torch.cat([resize(level, (16, 24)) for level in levels], 1)
    torch.testing.assert_close(
        module(levels, (16, 24)), module.levels.project(concatenated), atol=1e-5, rtol=1e-5
    )


def test_general_fusion_gates_between_one_and_two_times():
    config = replace(SLIM_4, fusion=Fusion.GENERAL, neck_channels=3, channels=5)
    module = fusion.build(config).eval()
    levels = [torch.randn(1, 3, 8, 8)] * 4
    plain = torch.relu(module.norm(module.levels(levels, (8, 8))))
    out = module(levels, (8, 8))
    assert (out >= plain).all() and (out <= 2 * plain).all()


@pytest.mark.parametrize(
    'kind, length',
    [(Attention.VERTICAL, 7), (Attention.HORIZONTAL, 5), (Attention.CONVENTIONAL, 35)],
)
def test_attention_rows_sum_to_one(x, kind, length):
    module = SelfAttention(replace(SLIM_4, channels=6, key_channels=2, attention=kind))
    pooled = torch.randn(2, 6, length)
    rows = module.attention(pooled)
    assert rows.shape == (2, length, length)
    torch.testing.assert_close(rows.sum(-1), torch.ones(2, length))


@pytest.mark.parametrize('kind, axis', [(Attention.VERTICAL, 2), (Attention.HORIZONTAL, 3)])
def test_attention_adds_one_context_per_column_or_row(x, kind, axis):
    """Eq. 4: the resized context is constant along the pooled axis."""
    module = SelfAttention(replace(SLIM_4, channels=6, key_channels=2, attention=kind))
    added = module(x) - x
    torch.testing.assert_close(
        added, added.mean(axis, keepdim=True).expand_as(added), atol=1e-5, rtol=1e-5
    )
    pooled = x.mean(axis)
    context = module.value(pooled) @ module.attention(pooled).transpose(1, 2)
    torch.testing.assert_close(added.mean(axis), context, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('scaled', [False, True])
@pytest.mark.parametrize('keys', [2, 6, 9])
def test_conventional_attention_weighs_every_position(x, keys, scaled):
    """Eq. 3 and 4 written out, for Q and K narrower than V, as wide and wider."""
    module = SelfAttention(
        replace(
            SLIM_4,
            channels=6,
            key_channels=keys,
            attention_scale=scaled,
            attention=Attention.CONVENTIONAL,
        )
    )
    flat = x.flatten(2)
    context = module.value(flat) @ module.attention(flat).transpose(1, 2)
    torch.testing.assert_close(module(x) - x, context.view_as(x), atol=1e-5, rtol=1e-5)


def test_a_learned_gain_starts_without_attention(x):
    module = SelfAttention(replace(SLIM_4, channels=6, key_channels=2, attention_gain=True))
    torch.testing.assert_close(module(x), x)


def test_pooling_first_gives_what_convolving_first_gives(x):
    """A mean and a 1x1 convolution commute, so the paper's order is only dearer."""
    module = SelfAttention(replace(SLIM_4, channels=6, key_channels=2))
    convolved = torch.nn.functional.conv2d(x, module.value.weight.unsqueeze(-1), module.value.bias)
    torch.testing.assert_close(module.value(x.mean(2)), convolved.mean(2), atol=1e-5, rtol=1e-5)


def test_resize_keeps_pixel_areas():
    ramp = torch.tensor([[[[0.0, 4.0]]]])
    torch.testing.assert_close(resize(ramp, (1, 4)), torch.tensor([[[[0.0, 1.0, 3.0, 4.0]]]]))


def test_normalise_gives_channels_first_and_imagenets_statistics():
    frames = torch.from_numpy(np.full((1, 2, 3, 3), 128, np.uint8))
    out = normalise(frames)
    assert out.shape == (1, 3, 2, 3)
    expected = (128 - torch.tensor(MEAN)) / torch.tensor(STD)
    torch.testing.assert_close(out[0, :, 0, 0], expected)
