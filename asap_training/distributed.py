"""Several processes that train as one (started by torchrun), or one alone: the same calls."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import FunctionCtx

Result = TypeVar('Result')
Network = TypeVar('Network', bound=nn.Module)


def rank() -> int:
    """Return this process's number, 0 where it is alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def world_size() -> int:
    """Return how many processes there are."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


@contextmanager
def process_group(device: str) -> Iterator[torch.device]:
    """Join the processes that torchrun started and give this one's device; alone, just that."""
    if int(os.environ.get('WORLD_SIZE', 1)) == 1:
        yield torch.device(device)
        return
    own = torch.device(device)
    if own.type == 'cuda':
        own = torch.device('cuda', int(os.environ['LOCAL_RANK']))
        torch.cuda.set_device(own)
    distributed.init_process_group('nccl' if own.type == 'cuda' else 'gloo')
    try:
        yield own
    finally:
        distributed.destroy_process_group()


def all_reduce_sum(values: Tensor) -> Tensor:
    """Return the sum over all processes, without a gradient."""
    if world_size() > 1:
        values = values.detach().clone()
        distributed.all_reduce(values)
    return values


def all_gather(values: Tensor) -> Tensor:
    """Return (n,) values of every process, one after the other; n is the same everywhere."""
    if world_size() == 1:
        return values
    parts = [torch.empty_like(values) for _ in range(world_size())]
    distributed.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def on_first_rank(work: Callable[[], Result], device: torch.device) -> Result:
    """Let the first process work and return its result, or raise its ValueError, everywhere."""
    if world_size() == 1:
        return work()
    outcome: list = [None, None]
    if rank() == 0:
        try:
            outcome[0] = work()
        except ValueError as error:
            outcome[1] = error
    distributed.broadcast_object_list(outcome, device=device)
    if outcome[1] is not None:
        raise outcome[1]
    return outcome[0]


class _AllReduceSum(torch.autograd.Function):
    """The sum over processes, whose gradient is the sum over processes too."""

    @staticmethod
    def forward(context: FunctionCtx, values: Tensor) -> Tensor:
        return all_reduce_sum(values)

    @staticmethod
    def backward(context: FunctionCtx, gradient: Tensor) -> Tensor:
        return all_reduce_sum(gradient)


def all_reduce_sum_with_gradient(values: Tensor) -> Tensor:
    """Return the sum over all processes, with its gradient."""
    return _AllReduceSum.apply(values) if world_size() > 1 else values


class CpuSyncBatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, on any device.

    torch's SyncBatchNorm is CUDA's alone; this one is for processes on a CPU. Every process must
    hold a batch of the same shape.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        with torch.autocast(x.device.type, enabled=False):
            values = x.to(self.weight.dtype)
            count = values.numel() / values.shape[1] * world_size()
            mean = all_reduce_sum_with_gradient(values.sum((0, 2, 3))) / count
            centred = values - mean.view(1, -1, 1, 1)
            variance = all_reduce_sum_with_gradient(centred.square().sum((0, 2, 3))) / count
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(variance * count / max(count - 1, 1), self.momentum)
            gain = self.weight * (variance + self.eps).rsqrt()
            return (centred * gain.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)


def sync_batch_norms(model: Network, device: torch.device) -> Network:
    """Return the model with batch norms that all processes share; alone it stays as it is.

    Names and shapes of the weights do not change.
    """
    if world_size() == 1:
        return model
    if device.type == 'cuda':
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # in place, but for a norm alone
        return model
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = CpuSyncBatchNorm  # the same state, another forward
    return model
