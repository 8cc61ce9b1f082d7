"""The training loss: OHEM cross-entropy on the three heads (eq. 5), and soft Jaccard."""

from __future__ import annotations

import math

import torch
from pydantic import ConfigDict, PositiveInt
from pydantic.dataclasses import dataclass
from torch import Tensor
from torch.nn import functional

from asap_ros.labels import IGNORED
from asap_ros.network.asap import ClassScores
from asap_ros.network.layers import resize
from asap_training import distributed


@dataclass(frozen=True, config=ConfigDict(extra='forbid'))
class LossConfig:
    """Settings that the paper leaves open, with the values usual for OHEM on road scenes.

    ``alpha``, ``beta``: weights of the auxiliary losses on P3 and P4 (eq. 5).
    ``ohem_threshold``: a pixel is hard while the probability of its class is below this.
    ``ohem_min_kept_fraction``: the least share of valid pixels that counts, hard or not.
    ``jaccard_weight``: weight of the soft Jaccard loss on the main head; not in the paper.
    ``auxiliary_stride``: the auxiliary heads, 16 and 32 times coarser than the picture, learn from
    every so many-th pixel of a row and a column: 4 saves a tenth of a step's time on a CPU.
    """

    alpha: float = 0.4
    beta: float = 0.4
    ohem_threshold: float = 0.7
    ohem_min_kept_fraction: float = 0.0625
    jaccard_weight: float = 0.0
    auxiliary_stride: PositiveInt = 1


def ohem_cross_entropy(
    scores: Tensor, target: Tensor, weight: Tensor | None, config: LossConfig
) -> Tensor:
    """Mean cross-entropy over the hard pixels (online hard example mining).

    ``scores``: (N, K, H, W); ``target``: int64 (N, H, W), 255 ignored; ``weight``: (K,) or None.
    Returns a scalar; zero, with a gradient of zero, where nothing is labelled.

    Of several processes each returns its share: which pixels are hard enough, and what the sum
    is divided by, is decided over the pixels of all of them, so that the mean of the processes'
    losses, and of their gradients, is that of the whole batch in one process.
    """
    plain = functional.cross_entropy(scores, target, ignore_index=IGNORED, reduction='none')
    valid = target != IGNORED
    losses = plain[valid]
    hard = losses > -math.log(config.ohem_threshold)
    counts = distributed.all_reduce_sum(torch.stack([hard.sum(), valid.sum()]))
    if not counts[1]:
        return scores.sum() * 0.0
    least = max(1, int(config.ohem_min_kept_fraction * counts[1]))
    if counts[0] < least:
        chosen = hardest(losses, least)
    else:
        chosen = hard.nonzero().squeeze(1)
    losses = losses[chosen]
    weights = torch.ones_like(losses) if weight is None else weight[target[valid][chosen]]
    share = (losses * weights).sum() / distributed.all_reduce_sum(weights.sum())
    return share * distributed.world_size()


def hardest(losses: Tensor, count: int) -> Tensor:
    """Return the indices of this process's losses that are among the ``count`` largest of all."""
    own = losses.topk(min(count, losses.numel()))
    if distributed.world_size() == 1:
        return own.indices
    values = own.values.detach()
    padded = functional.pad(values, (0, count - values.numel()), value=-1.0)
    least = distributed.all_gather(padded).topk(count).values[-1]
    above, equal = (values > least).sum(), (values == least).sum()
    # Of losses equal to the least one, as many as are wanted, the first processes' first.
    wanted = count - distributed.all_reduce_sum(above)
    before = distributed.all_gather(equal[None])[: distributed.rank()].sum()
    taken = (wanted - before).clamp_min(0).minimum(equal)
    return own.indices[: above + taken]


def soft_jaccard(scores: Tensor, target: Tensor) -> Tensor:
    """One minus the mean soft IoU of the classes that the batch holds: mIoU made differentiable.

    Shapes as for ``ohem_cross_entropy``. Sums run over the whole batch, of all processes, since a
    thin class in one picture is a handful of pixels. Returns a scalar; zero where nothing is
    labelled.
    """
    valid = (target != IGNORED).unsqueeze(1)
    share = torch.softmax(scores, 1) * valid
    classes = scores.shape[1]
    truth = functional.one_hot(target.clamp_max(classes), classes + 1)[..., :classes]
    truth = truth.permute(0, 3, 1, 2).to(share.dtype) * valid
    both = distributed.all_reduce_sum_with_gradient((share * truth).sum((0, 2, 3)))
    size = distributed.all_reduce_sum(truth.sum((0, 2, 3)))
    present = size > 0
    if not present.any():
        return scores.sum() * 0.0
    union = distributed.all_reduce_sum_with_gradient(share.sum((0, 2, 3))) + size - both
    iou = both / union.clamp_min(1.0)
    return 1.0 - iou[present].mean()


def total_loss(
    scores: ClassScores, target: Tensor, weight: Tensor | None, config: LossConfig
) -> Tensor:
    """L = L_pred + alpha L_aux1 + beta L_aux2, every head's scores resized to its target."""
    main = resize(scores.main.float(), target.shape[-2:])
    loss = ohem_cross_entropy(main, target, weight, config)
    if config.jaccard_weight:
        loss = loss + config.jaccard_weight * soft_jaccard(main, target)
    step = config.auxiliary_stride
    coarse = target[:, step // 2 :: step, step // 2 :: step]
    for share, head in ((config.alpha, scores.aux3), (config.beta, scores.aux4)):
        if share:
            resized = resize(head.float(), coarse.shape[-2:])
            loss = loss + share * ohem_cross_entropy(resized, coarse, weight, config)
    return loss


def class_weights(frequency: Tensor, exponent: float) -> Tensor:
    """Return (K,) weights (median frequency / frequency) ** exponent; 0 weighs all alike."""
    seen = frequency.clamp_min(1e-6)
    return (seen.median() / seen) ** exponent if exponent else torch.ones_like(seen)
