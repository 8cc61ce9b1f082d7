"""Self-attention over a pooled map (paper, section II, eq. 3 and 4, Fig. 3, Table III)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from asap_ros.network.config import AsapConfig, Attention


class SelfAttention(nn.Module):
    """F' = R(A V) + F with A = softmax(Q K^T) over positions of the pooled map.

    *Vertical* averages each column first (a pool of H x 1), so positions are the W columns;
    *horizontal* averages each row, leaving H; *conventional* pools nothing, leaving H W. Pooling
    before the 1x1 convolutions gives the values that pooling after them gives, both being linear,
    and costs H (or W) times less. V keeps C channels so that the sum in eq. 4 adds up.
    """

    _pooled_axis = {Attention.VERTICAL: 2, Attention.HORIZONTAL: 3, Attention.CONVENTIONAL: None}

    def __init__(self, config: AsapConfig):
        super().__init__()
        self.axis = self._pooled_axis[config.attention]
        self.query = nn.Conv1d(config.channels, config.key_channels, 1)
        self.key = nn.Conv1d(config.channels, config.key_channels, 1)
        self.value = nn.Conv1d(config.channels, config.channels, 1)
        self.scale = config.key_channels**-0.5 if config.attention_scale else None
        self.gain = nn.Parameter(torch.zeros(1)) if config.attention_gain else None

    def attention(self, pooled: Tensor) -> Tensor:
        """Return A of eq. 3: (N, C, L) -> (N, L, L), float32, every row summing to one."""
        query, key = self.query(pooled), self.key(pooled)
        with torch.autocast(pooled.device.type, enabled=False):
            logits = query.float().transpose(1, 2) @ key.float()
            return torch.softmax(logits if self.scale is None else logits * self.scale, dim=-1)

    def fused(self, x: Tensor) -> Tensor:
        """Return (A V) over all positions, (N, C, L) -> (N, C, L), without ever holding A.

        A of all positions is gigabytes. The fused kernels work in float32 where they are given it,
        and want Q and K as wide as V: zeros beside them change no product.
        """
        query, key, value = (
            module(x).transpose(1, 2).unsqueeze(1) for module in (self.query, self.key, self.value)
        )
        missing = max(value.shape[-1] - query.shape[-1], 0)
        with torch.autocast(x.device.type, enabled=False):
            context = functional.scaled_dot_product_attention(
                functional.pad(query.float(), (0, missing)),
                functional.pad(key.float(), (0, missing)),
                value.float().contiguous(),
                scale=self.scale or 1.0,
            )
        return context.squeeze(1).transpose(1, 2).to(x.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        if self.axis is None:
            context = self.fused(x.flatten(2)).view(x.shape)
        else:
            pooled = x.mean(self.axis)
            weights = self.attention(pooled)
            context = self.value(pooled) @ weights.to(x.dtype).transpose(1, 2)
            context = context.unsqueeze(self.axis)
        return x + (context if self.gain is None else context * self.gain)
