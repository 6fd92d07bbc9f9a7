"""Several processes that train as one: gathered negatives and agreed sums, with gradients."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.nn.parallel import DistributedDataParallel


@contextmanager
def group(device: torch.device) -> Iterator[None]:
    """Join the processes that the environment announces (``RANK``, as torchrun sets it), if any.

    Tensors on ``device`` travel from GPU to GPU, those of the host always from host to host: what
    processes agree on by the host's tensors makes nobody wait for a GPU.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if "RANK" not in os.environ:
        yield
        return
    if device.type == "cuda":
        dist.init_process_group("cpu:gloo,cuda:nccl", device_id=device)
    else:
        dist.init_process_group("gloo")
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
    # No buffer of a task changes. Newer versions of torch have another name for saying so.
    known = inspect.signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    options: dict[str, Any] = {name: False}
    return DistributedDataParallel(task, device_ids=devices, **options)


def shard(
    task: nn.Module, layers: Iterable[nn.Module], device: torch.device, precision: str
) -> None:
    """Split a task's weights, gradients and optimiser state between ranks (FSDP2), in place.

    The weights of each of ``layers`` are gathered when it computes, all others for the whole step,
    and in half precision if they compute with it. Gradients are added up in single precision.
    """
    mesh = init_device_mesh(device.type, (world_size(),))
    half = torch.bfloat16 if precision == "bf16" else None
    policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32)
    for layer in layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(task, mesh=mesh, mp_policy=policy)


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


def any_rank(*flags: bool) -> list[bool]:
    """Tell of each flag whether it is true on any rank, so that all of them do the same."""
    return [any(column) for column in zip(*gather_numbers(*map(int, flags)), strict=True)]


def gather_numbers(*numbers: int) -> list[list[int]]:
    """Return the numbers of every rank, in rank order; no rank waits for its GPU."""
    mine = torch.tensor(numbers)
    return gather_host(mine).tolist() if world_size() > 1 else [list(numbers)]


def gather_host(values: Tensor) -> Tensor:
    """Stack a tensor of the host, of one shape on all ranks, in rank order."""
    if world_size() == 1:
        return values[None]
    every = [torch.empty_like(values) for _ in range(world_size())]
    dist.all_gather(every, values)
    return torch.stack(every)


def gather_rows(rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """Stack the rows ``[n_r, ...]`` of all ranks, in rank order; ``sizes`` are their numbers.

    Gradients flow back to the rank that owns a row, summed over the ranks that used it.
    """
    if world_size() == 1 or not any(sizes):
        return rows
    gather: Callable[[Tensor, Sequence[int]], Tensor] = _GatherRows.apply
    return gather(rows, sizes)


def mean_over_ranks(total: Tensor, count: Tensor | int) -> tuple[Tensor, Tensor]:
    """Divide a sum by a count, both over all ranks.

    Returns the share of this rank, scaled so that averaging gradients over ranks gives the
    gradient of the mean, and the mean itself without gradient. An empty sum has mean zero.
    """
    # A tensor that is filled on the device is there without waiting; one that is copied is not.
    counted = count if isinstance(count, Tensor) else total.new_full((), count).detach()
    everything = sum_over_ranks(counted).clamp(min=1)
    return total * world_size() / everything, sum_over_ranks(total) / everything


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: Sequence[int]) -> Tensor:
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
