"""The training loop. It knows ``report = task(batch)`` and nothing of what is learned."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from bali_platform.base.errors import UsageError
from bali_platform.streaming import BatchKey, BatchSource
from bali_trainers.batches.batch import Batch
from bali_trainers.batches.layout import Layout
from bali_trainers.batches.order import DEV_EPOCH
from bali_trainers.training import distributed
from bali_trainers.training.average import Average
from bali_trainers.training.best import Best
from bali_trainers.training.checkpoints import Checkpoint, Checkpoints, restore
from bali_trainers.training.config import OptimiserConfig, RunConfig, minutes
from bali_trainers.training.finite import Finite
from bali_trainers.training.meter import Meter, peak_flops
from bali_trainers.training.prefetch import Arrival, Prefetcher
from bali_trainers.training.profiling import profiled

LONGEST_WARMUP = 10_000


class RunReporter(Protocol):
    """Who is told how the run goes, and who may stop it."""

    def metrics(self, step: int, total: int, values: dict[str, float]) -> None:
        """Take the metrics of an interval that ends with ``step``."""

    def resumed(self, step: int) -> None:
        """Take note that the run continues after ``step``; what was reported later is void."""

    def saved(self, step: int) -> None:
        """Take note of a checkpoint that is whole."""

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
        dev_batches: Batches of one rank to evaluate on; they come before all others.
    """

    batches_per_epoch: int
    accumulation: int = 1
    epochs: int | None = None
    max_steps: int | None = None
    dev_batches: int = 0

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole run; batches that do not fill a last one are left out."""
        if self.max_steps is not None:
            return self.max_steps
        return (self.epochs or 1) * self.batches_per_epoch // self.accumulation

    def keys(self, done: int) -> Iterator[BatchKey]:
        """Yield this rank's batches, in order, after ``done`` optimiser steps."""
        for index in range(self.dev_batches):
            yield BatchKey(DEV_EPOCH, index, distributed.rank())
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


@dataclass
class Trainer:
    """A run: what is trained, on what, how far, and who is told.

    Attributes:
        task: The module with ``report = task(batch)``; it may be wrapped for several processes.
        folder: Where a batch is left whose loss is not finite, and the profiler's trace.
        layout: How batches are cut for the encoder.
        average: A moving average of the weights to keep, if any.
        linking: Gives further metrics of an evaluation, if any.
        dense_weights: Weights that every token is multiplied with, to report the utilisation.
    """

    task: nn.Module
    optimiser: torch.optim.Optimizer
    plan: Plan
    source: BatchSource
    checkpoints: Checkpoints
    reporter: RunReporter
    device: torch.device
    run: RunConfig
    rates: OptimiserConfig
    folder: Path
    layout: Layout = field(default_factory=Layout)
    average: Average | None = None
    linking: Callable[[], dict[str, float]] | None = None
    dense_weights: int = 0

    def __post_init__(self) -> None:
        self._module: nn.Module = getattr(self.task, "module", self.task)
        self._parameters = [p for p in self._module.parameters() if p.requires_grad]
        self._base_rates = [float(group["lr"]) for group in self.optimiser.param_groups]
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=self.run.precision == "fp16")
        self._best = Best(self.run.best, self.run.patience)
        self._finite = Finite(self.folder)
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else ""
        self._meter = Meter(
            self.device,
            weights=self.dense_weights,
            peak=peak_flops(name, self.run.precision),
        )

    def train(self) -> bool:
        """Train to the end of the plan, from the newest checkpoint if there is one.

        Returns False when the run was cancelled before its end; a checkpoint was then written.
        The run ends early when its evaluations have stopped to improve.
        """
        done, cancelled = self._resume(), False
        self.task.train()
        self._saved_at = time.monotonic()
        batches = self.source.batches(self.plan.keys(done))
        trace = self.folder / "profile.json" if distributed.rank() == 0 else None
        with (
            Prefetcher(batches, self.device, self.layout) as stream,
            profiled(trace, self.run.profile) as traced,
        ):
            dev = [stream.take().batch for _ in range(self.plan.dev_batches)]
            for step in range(done + 1, self.plan.steps + 1):
                if self._best.exhausted:
                    break
                values = self._step(step, stream)
                if dev and (step == self.plan.steps or step % self.run.evaluate_every == 0):
                    values |= self._evaluate(step, dev)
                last = step == self.plan.steps or self._best.exhausted
                if last or "dev/loss" in values or step == 1 or step % self.run.log_every == 0:
                    self._report(step, values, stream)
                stop, due = distributed.any_rank(self.reporter.cancelled(), self._due(step))
                if last or stop or due or self._best.step == step:
                    self._save(step)
                self._note(self.checkpoints.written())
                traced()
                if cancelled := stop and not last:
                    break
        self._note(self.checkpoints.finish())
        return not cancelled

    @property
    def best_step(self) -> int | None:
        """The step with the best evaluation, whose checkpoint was kept; None without any."""
        return self._best.step or None

    def _resume(self) -> int:
        """Continue from the newest checkpoint; return the number of steps that are done."""
        checkpoint = self.checkpoints.newest()
        steps = distributed.gather_numbers(checkpoint.step if checkpoint else 0)
        if any(step != steps[0] for step in steps):
            raise UsageError(
                f"ranks see different checkpoints in {self.folder} (their steps are {steps}): it "
                "has to be a folder that all machines share"
            )
        if checkpoint is None:
            return 0
        self._restore(checkpoint)
        self.reporter.resumed(checkpoint.step)
        return checkpoint.step

    def _restore(self, checkpoint: Checkpoint) -> None:
        scaler = checkpoint.facts["scaler"]
        if bool(scaler) != self._scaler.is_enabled():
            before = checkpoint.facts["config"]["run"]["precision"]
            raise UsageError(
                f"{checkpoint.folder} was made with [run] precision = '{before}', which does not "
                f"go on as '{self.run.precision}': set it as it was"
            )
        restore(checkpoint, self._module, self.optimiser, self.average)
        self._scaler.load_state_dict(scaler)
        best = checkpoint.facts["best"]
        self._best = Best(**(best | {"metric": self.run.best, "patience": self.run.patience}))

    def _step(self, step: int, stream: Prefetcher) -> dict[str, Any]:
        """Make an optimiser step of the run, without waiting for the device."""
        factor = learning_rate_factor(step - 1, self.plan.steps, self.rates.warmup)
        for group, rate in zip(self.optimiser.param_groups, self._base_rates, strict=True):
            group["lr"] = rate * factor
        for part in range(1, self.plan.accumulation + 1):
            arrival = stream.take()
            # Ranks exchange gradients only in the last backward pass of a step.
            with distributed.synchronising(self.task, part == self.plan.accumulation):
                self._learn(arrival)
        norm = self._update(step)
        if not self._scaler.is_enabled():
            self._finite.note(arrival, norm)
        return {"gradient_norm": norm, "learning_rate": factor * max(self._base_rates)}

    def _learn(self, arrival: Arrival) -> None:
        """Add a batch's gradient."""
        with self._autocast():
            report = self.task(arrival.batch)
        self._finite.note(arrival, report.loss.detach())
        self._scaler.scale(report.loss / self.plan.accumulation).backward()
        self._meter.add(arrival.batch, {"loss": report.mean, **report.metrics})

    def _update(self, step: int) -> Tensor:
        """Make an optimiser step and return the norm of the gradient before clipping."""
        self._scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(self._parameters, self.rates.clip)
        self._scaler.step(self.optimiser)
        self._scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(step)
        return distributed.whole(norm)

    @torch.no_grad()
    def _evaluate(self, step: int, batches: Sequence[Batch]) -> dict[str, float]:
        """Return the mean loss and metrics over batches that are not trained on, as ``dev/...``.

        They are those of the weights that would be exported; the best of them are noted.
        """
        self._finite.check()
        self.task.eval()
        sums: dict[str, Any] = {}
        with self.average.applied() if self.average is not None else nullcontext():
            for batch in batches:
                with self._autocast():
                    report = self.task(batch)
                for name, value in {"loss": report.mean, **report.metrics}.items():
                    sums[name] = sums.get(name, 0) + value
            with self._autocast():
                linked = self.linking() if self.linking is not None else {}
        self.task.train()
        found = {name: float(total) / len(batches) for name, total in sums.items()} | linked
        self._best.update(step, found)
        return {f"dev/{name}": value for name, value in found.items()}

    def _report(self, step: int, values: dict[str, Any], stream: Prefetcher) -> None:
        """Read what was measured since the last report: here the host waits for the device."""
        self._finite.check()
        values = {name: float(value) for name, value in values.items()}
        self.reporter.metrics(step, self.plan.steps, values | self._meter.read(stream.waited_s))

    def _due(self, step: int) -> bool:
        """Tell whether it is time for a checkpoint, by the first rank's clock."""
        every = self.run.checkpoint_every
        if isinstance(every, int):
            return step % every == 0
        late = time.monotonic() - self._saved_at > 60 * minutes(every)
        return late and distributed.rank() == 0

    def _save(self, step: int) -> None:
        """Copy what a checkpoint holds; it is written beside the steps that follow."""
        self._finite.check()
        self._note(self.checkpoints.finish())
        self.checkpoints.save(
            step,
            self._module,
            self.optimiser,
            self.average,
            spared=self._best.step,
            scaler=self._scaler.state_dict(),
            best=asdict(self._best),
        )
        self._saved_at = time.monotonic()

    def _note(self, steps: Sequence[int]) -> None:
        for step in steps:
            self.reporter.saved(step)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.run.precision == "fp32":
            return nullcontext()
        dtype = torch.bfloat16 if self.run.precision == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)
