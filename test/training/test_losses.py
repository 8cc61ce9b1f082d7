"""The losses against their definitions."""

import math

import pytest
import torch

from asap_ros.network.asap import ClassScores
from asap_training.losses import (
    LossConfig,
    class_weights,
    ohem_cross_entropy,
    soft_jaccard,
    total_loss,
)


def scores_with(probabilities: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two-class scores (1, 2, 1, n) that give class 0 these probabilities, and targets."""
    p = torch.tensor(probabilities)
    scores = torch.stack([p.log(), (1 - p).log()]).view(1, 2, 1, -1)
    return scores, torch.zeros(1, 1, len(probabilities), dtype=torch.int64)


def test_only_pixels_below_the_threshold_count():
    scores, target = scores_with([0.9, 0.8, 0.6, 0.5])
    loss = ohem_cross_entropy(
        scores, target, None, LossConfig(ohem_threshold=0.7, ohem_min_kept_fraction=0.25)
    )
    assert loss.item() == pytest.approx(-(math.log(0.6) + math.log(0.5)) / 2, rel=1e-5)


def test_the_hardest_are_kept_where_too_few_are_hard():
    scores, target = scores_with([0.99, 0.95, 0.9, 0.8])
    loss = ohem_cross_entropy(
        scores, target, None, LossConfig(ohem_threshold=0.7, ohem_min_kept_fraction=0.5)
    )
    assert loss.item() == pytest.approx(-(math.log(0.8) + math.log(0.9)) / 2, rel=1e-5)


def test_ignored_pixels_count_nowhere():
    scores, target = scores_with([0.1, 0.6])
    target[..., 0] = 255
    loss = ohem_cross_entropy(scores, target, None, LossConfig())
    assert loss.item() == pytest.approx(-math.log(0.6), rel=1e-5)


def test_nothing_labelled_gives_zero_and_a_gradient_of_zero():
    scores = torch.randn(1, 2, 2, 2, requires_grad=True)
    loss = ohem_cross_entropy(scores, torch.full((1, 2, 2), 255), None, LossConfig())
    loss.backward()
    assert loss.item() == 0 and not scores.grad.any()


def test_class_weights_weigh_the_mean():
    scores, target = scores_with([0.5, 0.6])
    target[..., 1] = 1
    weight = torch.tensor([1.0, 3.0])
    loss = ohem_cross_entropy(scores, target, weight, LossConfig())
    assert loss.item() == pytest.approx(-(math.log(0.5) + 3 * math.log(0.4)) / 4, rel=1e-5)


def test_rare_classes_weigh_more_and_an_exponent_of_zero_weighs_none():
    frequency = torch.tensor([0.64, 0.32, 0.04])
    assert class_weights(frequency, 0.5).tolist() == pytest.approx([0.5**0.5, 1.0, 8**0.5])
    assert class_weights(frequency, 0.0).tolist() == [1.0, 1.0, 1.0]


def test_total_is_main_plus_weighted_auxiliaries():
    torch.manual_seed(0)
    target = torch.randint(0, 3, (1, 16, 16))
    heads = ClassScores(*(torch.randn(1, 3, n, n) for n in (8, 4, 2)))
    config = LossConfig(alpha=0.5, beta=0.25)
    parts = [
        ohem_cross_entropy(
            torch.nn.functional.interpolate(s, (16, 16), mode='bilinear'), target, None, config
        )
        for s in heads
    ]
    expected = parts[0] + 0.5 * parts[1] + 0.25 * parts[2]
    torch.testing.assert_close(total_loss(heads, target, None, config), expected)


def test_auxiliary_heads_may_look_at_every_fourth_pixel_of_rows_and_columns():
    torch.manual_seed(0)
    target = torch.randint(0, 3, (1, 16, 16))
    heads = ClassScores(*(torch.randn(1, 3, n, n) for n in (16, 4, 2)))
    sparse = target[:, 2::4, 2::4]
    config = LossConfig(auxiliary_stride=4)
    expected = ohem_cross_entropy(heads.main, target, None, config) + 0.4 * sum(
        ohem_cross_entropy(
            torch.nn.functional.interpolate(s, (4, 4), mode='bilinear'), sparse, None, config
        )
        for s in heads[1:]
    )
    torch.testing.assert_close(total_loss(heads, target, None, config), expected)
    with pytest.raises(ValueError, match='auxiliary_stride'):
        LossConfig(auxiliary_stride=0)


def test_soft_jaccard_is_one_minus_the_iou_of_certain_scores():
    target = torch.tensor([[[0, 0, 0, 1, 255]]])
    scores = torch.full((1, 3, 1, 5), -50.0)
    for x, label in enumerate([0, 0, 1, 1, 0]):
        scores[0, label, 0, x] = 50.0
    # Class 0: 2 of 3; class 1: 1 of 2; class 2 is not there; the ignored pixel counts nowhere.
    assert soft_jaccard(scores, target).item() == pytest.approx(1 - (2 / 3 + 1 / 2) / 2, abs=1e-5)


def test_soft_jaccard_of_nothing_labelled_is_zero_with_a_gradient_of_zero():
    scores = torch.randn(1, 2, 2, 2, requires_grad=True)
    loss = soft_jaccard(scores, torch.full((1, 2, 2), 255))
    loss.backward()
    assert loss.item() == 0 and not scores.grad.any()


def test_soft_jaccard_joins_the_total_on_the_main_head():
    torch.manual_seed(0)
    target = torch.randint(0, 3, (1, 16, 16))
    heads = ClassScores(*(torch.randn(1, 3, n, n) for n in (16, 4, 2)))
    plain = total_loss(heads, target, None, LossConfig())
    joined = total_loss(heads, target, None, LossConfig(jaccard_weight=0.5))
    torch.testing.assert_close(joined, plain + 0.5 * soft_jaccard(heads.main, target))
