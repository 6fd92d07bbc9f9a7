"""Several processes that train as one: gathered negatives and agreed sums, with gradients."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def group(device: torch.device) -> Iterator[None]:
    """Join the processes that the environment announces (``RANK``, as torchrun sets it), if any."""
    if "RANK" not in os.environ:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def world_size() -> int:
    """Return how many processes train together; one when not distributed."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return the index of this process among them."""
    return dist.get_rank() if dist.is_initialized() else 0


def parallel(task: nn.Module, device: torch.device) -> nn.Module:
    """Wrap a task so that ranks average their gradients; one that is sharded does already."""
    if world_size() == 1 or isinstance(task, FSDPModule):
        return task
    devices = [device] if device.type == "cuda" else None
    return DistributedDataParallel(task, device_ids=devices, forward_sync_buffers=False)


def shard(task: nn.Module, layers: Iterable[nn.Module], device: torch.device) -> None:
    """Split a task's weights, gradients and optimiser state between ranks (FSDP2), in place.

    The weights of each of ``layers`` are gathered when it computes, all others for the whole step.
    """
    mesh = init_device_mesh(device.type, (world_size(),))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(task, mesh=mesh)


@contextmanager
def synchronising(task: nn.Module, wanted: bool) -> Iterator[None]:
    """Let backward passes exchange gradients between ranks, or not."""
    if isinstance(task, FSDPModule):
        task.set_requires_gradient_sync(wanted)
        yield
    elif isinstance(task, DistributedDataParallel) and not wanted:
        with task.no_sync():
            yield
    else:
        yield


def whole(tensor: Tensor) -> Tensor:
    """Gather a tensor that is split between ranks, on all of them; return any other as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(value: Tensor, model: Tensor) -> Tensor:
    """Put a whole tensor, the same on all ranks, where ``model`` is: split as it, if it is."""
    placed = value.to(model.device)
    if not isinstance(model, DTensor):
        return placed
    return distribute_tensor(placed, model.device_mesh, model.placements)


def sum_over_ranks(value: Tensor) -> Tensor:
    """Add up ``value`` over all ranks, without gradient."""
    if world_size() == 1:
        return value.detach()
    total = value.detach().clone()
    dist.all_reduce(total)
    return total


def any_rank(flag: bool, device: torch.device) -> bool:
    """Tell whether ``flag`` is true on any rank, so that all of them stop together."""
    if world_size() == 1:
        return flag
    return bool(sum_over_ranks(torch.tensor(float(flag), device=device)))


def gather_rows(rows: Tensor) -> tuple[Tensor, int]:
    """Stack the rows ``[n_r, ...]`` of all ranks, in rank order.

    Ranks may hold unequal numbers. Gradients flow back to the rank that owns a row, summed over
    the ranks that used it. Returns the stack and the index of this rank's first row in it.
    """
    if world_size() == 1:
        return rows, 0
    mine = torch.tensor([rows.shape[0]], device=rows.device)
    counts = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(counts, mine)
    sizes = [int(count) for count in counts]
    if not any(sizes):
        return rows, 0
    gather: Callable[[Tensor, list[int]], Tensor] = _GatherRows.apply
    return gather(rows, sizes), sum(sizes[: rank()])


def mean_over_ranks(total: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """Divide a sum by a count, both over all ranks.

    Returns the share of this rank, scaled so that averaging gradients over ranks gives the
    gradient of the mean, and the mean itself without gradient. An empty sum has mean zero.
    """
    everything = sum_over_ranks(count).clamp(min=1)
    return total * world_size() / everything, sum_over_ranks(total) / everything


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: list[int]) -> Tensor:
        # All-gather wants equal shapes, so short ranks are padded for the journey.
        padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
        padded[: rows.shape[0]] = rows
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        ctx.first, ctx.size = sum(sizes[: rank()]), rows.shape[0]
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        total = gradients[0].contiguous()
        dist.all_reduce(total)
        return total[ctx.first : ctx.first + ctx.size], None
