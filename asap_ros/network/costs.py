"""What the network costs in multiply-accumulates: as the paper writes it, and as it is run.

The paper prints "GFLOPs" in Table III; its figures fit when a multiply-accumulate counts as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from asap_ros.network.asap import Asap
from asap_ros.network.config import AsapConfig, Fusion, Merge
from asap_ros.network.fusion import LEVELS


@dataclass(frozen=True)
class TableThree:
    """Multiply-accumulates of the modules of Table III, each as the paper describes it.

    ``general`` and ``ffdn``: the fusions on the concatenated map, norms not counted.
    ``conventional``: attention over all positions, ``vertical``: pooled before the convolutions,
    ``vertical_unpooled``: the same values with the convolutions before the pool.
    """

    general: int
    ffdn: int
    conventional: int
    vertical: int
    vertical_unpooled: int


def attention(positions: int, convolved: int, config: AsapConfig) -> int:
    """Q, K, V with biases on ``convolved`` positions, Q K^T and A V on ``positions``."""
    c, q = config.channels, config.key_channels
    projections = convolved * (2 * c * q + c * c + 2 * q + c)
    return projections + positions**2 * (q + c)


def table_three(config: AsapConfig, height: int, width: int) -> TableThree:
    """Return the costs for an input of height x width pixels."""
    rows, columns = height // config.fused_stride, width // config.fused_stride
    fused = LEVELS * config.neck_channels
    both = config.fusion is Fusion.FFDN and config.merge is Merge.CONCAT
    n, c = rows * columns, config.channels
    return TableThree(
        general=n * fused * c + c * c,
        ffdn=n * fused * (c // 2 if both else c),
        conventional=attention(n, n, config),
        vertical=attention(columns, columns, config),
        vertical_unpooled=attention(columns, n, config),
    )


@torch.no_grad()
def counted(model: Asap, height: int, width: int) -> int:
    """Return the multiply-accumulates of one forward pass as it is run, batch 1.

    Convolutions and matrix products; norms, resizing and activations are not counted. Attention
    over all positions counts with the zeros that widen Q and K.
    """
    device = next(model.parameters()).device
    # The counter knows matrix products, and not what the CPU's fused kernel does.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, height, width, device=device))
    return counter.get_total_flops() // 2
