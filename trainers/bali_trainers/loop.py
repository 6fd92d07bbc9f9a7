"""The training loop. It knows ``report = task(batch)`` and nothing of what is learned."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from bali_platform.errors import BaliError
from bali_platform.streaming import BatchKey, BatchSource
from bali_trainers import distributed
from bali_trainers.batch import Batch
from bali_trainers.config import OptimiserConfig, RunConfig
from bali_trainers.meter import Meter
from bali_trainers.state import Average, Checkpoints, restore

__all__ = ["Plan", "RunReporter", "learning_rate_factor", "train"]

LONGEST_WARMUP = 10_000


class RunReporter(Protocol):
    """Who is told how the run goes, and who may stop it."""

    def metrics(self, step: int, total: int, values: dict[str, float]) -> None:
        """Take the metrics of an interval that ends with ``step``."""

    def resumed(self, step: int) -> None:
        """Take note that the run continues after ``step``; what was reported later is void."""

    def saved(self, step: int) -> None:
        """Take note of a checkpoint."""

    def cancelled(self) -> bool:
        """Tell whether the run should stop after this step."""


@dataclass(frozen=True)
class Plan:
    """Which batches make up which optimiser step, a pure function of the step.

    Attributes:
        batches_per_epoch: Batches of one rank in an epoch.
        accumulation: Batches in an optimiser step.
        epochs: Epochs to train; one, unless said otherwise.
        max_steps: Optimiser steps to train instead, in as many epochs as that takes.
    """

    batches_per_epoch: int
    accumulation: int = 1
    epochs: int | None = None
    max_steps: int | None = None

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run; batches that do not fill a last one are left out."""
        if self.max_steps is not None:
            return self.max_steps
        return (self.epochs or 1) * self.batches_per_epoch // self.accumulation

    def keys(self, done: int) -> Iterator[BatchKey]:
        """Yield this rank's batches, in order, after ``done`` optimiser steps."""
        for number in range(done * self.accumulation, self.steps * self.accumulation):
            epoch, index = divmod(number, self.batches_per_epoch)
            yield BatchKey(epoch, index, distributed.rank())


def learning_rate_factor(step: int, total: int, warmup: float) -> float:
    """Return the factor for the ``step``-th (from 0) of ``total`` steps.

    Linear up over the first ``warmup`` of all steps, 10,000 at most, then half a cosine to zero.
    """
    rising = min(round(warmup * total), LONGEST_WARMUP)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(total - rising, 1)))


def train(
    task: nn.Module,
    optimiser: torch.optim.Optimizer,
    plan: Plan,
    source: BatchSource,
    checkpoints: Checkpoints,
    reporter: RunReporter,
    *,
    device: torch.device,
    run: RunConfig,
    rates: OptimiserConfig,
    folder: Path,
    average: Average | None = None,
) -> bool:
    """Train to the end of the plan, from the newest checkpoint if there is one.

    Returns False when the run was cancelled; a checkpoint was then written. ``task`` may be
    wrapped for distributed training; a batch whose loss is not finite is left in ``folder``.
    """
    module = getattr(task, "module", task)
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    base_rates = [group["lr"] for group in optimiser.param_groups]
    scaler = torch.amp.GradScaler(device.type, enabled=run.precision == "fp16")

    done = 0
    if (checkpoint := checkpoints.newest()) is not None:
        restore(checkpoint, module, optimiser, average)
        scaler.load_state_dict(checkpoint.facts["scaler"])
        done = checkpoint.step
        reporter.resumed(done)

    task.train()
    stream = source.batches(plan.keys(done))
    meter = Meter(device)
    for step in range(done, plan.steps):
        factor = learning_rate_factor(step, plan.steps, rates.warmup)
        for group, rate in zip(optimiser.param_groups, base_rates, strict=True):
            group["lr"] = rate * factor

        for part in range(plan.accumulation):
            key, payload = next(stream)
            batch = Batch.from_bytes(payload).to(device)
            last = part == plan.accumulation - 1
            with _autocast(device, run.precision), _synchronised(task, last):
                report = task(batch)
                if not torch.isfinite(report.loss):
                    raise _not_finite(folder, step, key, payload)
                scaler.scale(report.loss / plan.accumulation).backward()
            meter.add(batch, {"loss": report.loss.detach(), **report.metrics})

        scaler.unscale_(optimiser)
        norm = nn.utils.clip_grad_norm_(parameters, rates.clip)
        scaler.step(optimiser)
        scaler.update()
        optimiser.zero_grad(set_to_none=True)
        if average is not None:
            average.update()

        finished = step + 1
        if finished % run.log_every == 0 or finished == plan.steps:
            values = meter.read(getattr(source, "waited_s", 0.0))
            values |= {"gradient_norm": float(norm), "learning_rate": factor * max(base_rates)}
            reporter.metrics(finished, plan.steps, values)
        stop = distributed.any_rank(reporter.cancelled(), device)
        if stop or finished % run.checkpoint_every == 0 or finished == plan.steps:
            checkpoints.save(finished, module, optimiser, average, scaler=scaler.state_dict())
            reporter.saved(finished)
        if stop and finished < plan.steps:
            return False
    return True


def _autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    if precision == "fp32":
        return nullcontext()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=dtype)


def _synchronised(task: nn.Module, last: bool) -> AbstractContextManager[Any]:
    """Let ranks exchange gradients only in the last backward pass of a step."""
    no_sync = getattr(task, "no_sync", None)
    return nullcontext() if last or no_sync is None else no_sync()


def _not_finite(folder: Path, step: int, key: BatchKey, payload: bytes) -> BaliError:
    path = folder / f"not-finite-step-{step}.safetensors"
    path.write_bytes(payload)
    return BaliError(
        f"the loss of step {step} ({key}) is not finite; its batch is in {path}: "
        "lower the learning rates, or use bf16 or fp32"
    )
