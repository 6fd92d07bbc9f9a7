"""The trainer against the reference's step: ``python -m benchmarks.training [--steps N]``.

Needs a running home (``bali up``) with the demo's graph and corpus (``bali demo --quick``). Builds
the batches first and trains from that recording, MiniLM without dropout, so that losses can be
compared. Measures

* sentences a second, in turns with a plain step like that of the public reference code
  (:mod:`benchmarks.reference`) on the same batches from the same weights, and how far the losses
  of equal steps lie apart;
* the share of the loop that is neither forward, backward nor optimiser step, and of padding;
* peak memory and time a sentence of a contrast batch of 256 as it is, and of 2,048 with gradient
  caching, without neighbours, each in a process of its own;
* sentences a second with ``torch.compile``, after the steps that compile.

The results are recorded as ``training``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from bali_platform.base.settings import load_settings
from bali_platform.streaming import (
    BatchKey,
    BatchSource,
    InlineSource,
    Recorder,
    ReplaySource,
    decode,
    encode,
)
from bali_platform.subgraphs import neighbourhoods
from bali_trainers.batches.batch import Batch
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.layout import Layout
from bali_trainers.batches.spec import DataSpec
from bali_trainers.training.checkpoints import Checkpoints
from bali_trainers.training.config import Config, parse_config
from bali_trainers.training.joint_model import Task, build_task, parameter_groups
from bali_trainers.training.loop import Plan, Trainer, learning_rate_factor
from bali_trainers.training.submission import prepare
from benchmarks.record import record
from benchmarks.reference import reference_loss

BATCH, SMALL, LARGE, CHUNK = 32, 256, 2048, 128
WARM_UP = 2


@dataclass
class Watch:
    """A reporter that keeps what a run reports, and when, and after how much useful time."""

    rows: list[dict[str, float]] = field(default_factory=list)
    marks: list[tuple[float, float]] = field(default_factory=list)
    useful: Callable[[], float] = lambda: 0.0

    def metrics(self, step: int, total: int, values: dict[str, float]) -> None:
        """Keep an interval."""
        self.rows.append(values)
        self.marks.append((time.perf_counter(), self.useful()))

    def resumed(self, step: int) -> None:
        """Never happens."""

    def saved(self, step: int) -> None:
        """Of no interest."""

    def cancelled(self) -> bool:
        """Nobody cancels."""
        return False


class TimedTrainer(Trainer):
    """A trainer that knows how long it spent in forward, backward and optimiser steps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.useful_s = self._forward_began = 0.0
        self.task.register_forward_pre_hook(self._begin)
        self.task.register_forward_hook(self._end)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count what is inside."""
        started = time.perf_counter()
        yield
        self.useful_s += time.perf_counter() - started

    @contextmanager
    def timed_backward(self) -> Iterator[None]:
        """Count every backward pass inside."""

        def backward(tensor: torch.Tensor) -> None:
            with self.timed():
                torch.autograd.backward(tensor)

        with patch.object(torch.Tensor, "backward", backward):
            yield

    def _update(self, step: int) -> torch.Tensor:
        with self.timed():
            return super()._update(step)

    def _begin(self, *_: object) -> None:
        self._forward_began = time.perf_counter()

    def _end(self, *_: object) -> None:
        self.useful_s += time.perf_counter() - self._forward_began


@dataclass(frozen=True)
class Run:
    """Seconds of each step after the first ones, the losses of all, and what was in vain."""

    seconds: list[float]
    losses: list[float]
    padding: float = 0.0
    overhead: float = 0.0

    @property
    def sentences_s(self) -> float:
        """Sentences a second."""
        return BATCH * len(self.seconds) / sum(self.seconds)


def settings_of(config: Config, **run: Any) -> Config:
    """Return the configuration with other settings of the run, all of it without dropout."""
    data = config.model_dump(mode="json", exclude_none=True)
    data["graph_encoder"]["dropout"] = 0.0
    data["run"] |= run
    return parse_config(data, "benchmark")


def plain_task(config: Config, relations: int) -> Task:
    """Build a task without dropout."""
    task = build_task(config, relations)
    for module in task.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return task.train()


def train(config: Config, relations: int, source: BatchSource, folder: Path) -> Run:
    """Train as a job would, and time it."""
    task = plain_task(config, relations)
    if config.run.compile:
        task.text.compile_encoder()
    watch = Watch()
    trainer = TimedTrainer(
        task=task,
        optimiser=torch.optim.AdamW(parameter_groups(task, config.optimiser), fused=True),
        plan=Plan(batches_per_epoch=config.run.max_steps or 1, max_steps=config.run.max_steps),
        source=source,
        checkpoints=Checkpoints(folder / "checkpoints", keep=1, facts={"identity": {}}, say=print),
        reporter=watch,
        device=torch.device("cpu"),
        run=config.run,
        rates=config.optimiser,
        folder=folder,
    )
    with trainer.timed_backward():
        watch.useful = lambda: trainer.useful_s
        trainer.train()
    shutil.rmtree(folder / "checkpoints")
    first, last = watch.marks[0], watch.marks[-1]
    return Run(
        seconds=[two[0] - one[0] for one, two in pairwise(watch.marks)][WARM_UP:],
        losses=[row["loss"] for row in watch.rows],
        padding=sum(row["padding"] for row in watch.rows) / len(watch.rows),
        overhead=1 - (last[1] - first[1]) / (last[0] - first[0]),
    )


def train_as_reference(config: Config, relations: int, source: BatchSource) -> Run:
    """Train with the plain step on the same batches, from the same weights."""
    task = plain_task(config, relations)
    optimiser = torch.optim.AdamW(parameter_groups(task, config.optimiser), fused=True)
    rates = [group["lr"] for group in optimiser.param_groups]
    steps = config.run.max_steps or 1
    marks, losses = [], []
    keys = [BatchKey(0, index) for index in range(steps)]
    for step, (_, payload) in enumerate(source.batches(keys)):
        factor = learning_rate_factor(step, steps, config.optimiser.warmup)
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        loss = reference_loss(task, decode(payload), config.objectives.active["mlm"].weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(task.parameters(), config.optimiser.clip)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
        marks.append(time.perf_counter())
    return Run([two - one for one, two in pairwise(marks)][WARM_UP:], losses)


def build_batches(config: Config, spec: DataSpec, count: int, path: Path) -> ReplaySource:
    """Record the first batches of a run."""
    builder = BatchBuilder(spec, neighbourhoods(load_settings()))
    keys = [BatchKey(*divmod(number, builder.steps_per_epoch)) for number in range(count)]
    named = dict(zip((BatchKey(0, number) for number in range(count)), keys, strict=True))
    source = InlineSource(lambda key: encode(builder.build(named[key])))
    for _ in Recorder(source, path).batches(named):
        pass
    return ReplaySource(path)


def measure_memory(folder: Path, chunk: int) -> dict[str, float]:
    """Take one step on the batch in ``folder``, in this process."""
    config = parse_config(json.loads((folder / "config.json").read_text()), "benchmark")
    config = settings_of(config, chunk=chunk)
    task = plain_task(config, json.loads((folder / "relations.json").read_text()))
    optimiser = torch.optim.AdamW(parameter_groups(task, config.optimiser), fused=True)
    payload = (folder / ("large" if chunk else "small")).read_bytes()
    started = time.perf_counter()
    batch = Batch.from_bytes(payload, Layout(rows=chunk or None))
    task(batch).loss.backward()
    optimiser.step()
    seconds = time.perf_counter() - started
    sentences = len(batch.sentences.ids)
    # Not ru_maxrss, which a process inherits from the one that started it.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 2**10
    return {
        "sentences": sentences,
        "peak_mib": round(peak),
        "ms_a_sentence": round(1000 * seconds / sentences, 2),
    }


def compare_memory(config: Config, spec: DataSpec, folder: Path) -> dict[str, Any]:
    """Measure the plain and the cached contrast batch, each in a process of its own."""
    source = neighbourhoods(load_settings())
    for name, size in (("small", SMALL), ("large", LARGE)):
        # Without neighbours, so that a step of 2,048 takes minutes and not a quarter of an hour.
        one = spec.model_copy(update={"batch_size": size, "neighbours": 0})
        (folder / name).write_bytes(encode(BatchBuilder(one, source).build(BatchKey(0, 0))))
    (folder / "config.json").write_text(config.model_dump_json())
    (folder / "relations.json").write_text(json.dumps(len(spec.relation_types)))
    measured = {}
    for name, chunk in (("plain", 0), ("cached", CHUNK)):
        command = [sys.executable, "-m", "benchmarks.training", "--memory", str(folder)]
        done = subprocess.run(
            [*command, "--chunk", str(chunk)], check=True, stdout=subprocess.PIPE, text=True
        )
        measured[name] = json.loads(done.stdout)
    plain, cached = measured["plain"], measured["cached"]
    time_ratio = cached["ms_a_sentence"] / plain["ms_a_sentence"]
    memory_ratio = cached["peak_mib"] / plain["peak_mib"]
    return measured | {"memory": round(memory_ratio, 2), "time_a_sentence": round(time_ratio, 2)}


def measure(steps: int, compiled: bool) -> dict[str, Any]:
    """Measure everything, and return the numbers by name."""
    prepared = prepare("demo", load_settings(), data={"batch_size": BATCH, "max_length": 128,
                                                      "name_length": 32})  # fmt: skip
    spec = DataSpec.model_validate(prepared.spec)
    config = parse_config(prepared.config, "demo")
    relations = len(spec.relation_types)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = build_batches(config, spec, steps * 3, folder / "batches.bali")
        stepwise = settings_of(config, max_steps=steps, log_every=1, checkpoint_every=10**6)
        ours = train(stepwise, relations, source, folder)
        theirs = train_as_reference(stepwise, relations, source)
        again = train(stepwise, relations, source, folder)
        usual = settings_of(config, max_steps=steps * 3, checkpoint_every=10**6)
        loop = train(usual, relations, source, folder)
        result: dict[str, Any] = {
            "batch": BATCH,
            "steps": steps,
            "sentences_s": round((ours.sentences_s + again.sentences_s) / 2, 1),
            "reference_sentences_s": round(theirs.sentences_s, 1),
            "loss": [round(ours.losses[0], 4), round(ours.losses[-1], 4)],
            "loss_differs_by": max(
                abs(one - other) for one, other in zip(ours.losses, theirs.losses, strict=True)
            ),
            "overhead": round(loop.overhead, 4),
            "padding": round(loop.padding, 4),
        }
        result["speed_up"] = round(result["sentences_s"] / result["reference_sentences_s"], 2)
        result["gradient_caching"] = compare_memory(config, spec, folder)
        if compiled:
            dynamic = settings_of(stepwise, max_steps=steps * 3, log_every=1, compile=True)
            seconds = train(dynamic, relations, source, folder).seconds[-steps:]
            result["compiled_sentences_s"] = round(BATCH * len(seconds) / sum(seconds), 1)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training")
    parser.add_argument("--steps", type=int, default=6, help="steps of each comparison")
    parser.add_argument("--compile", action="store_true", help="also with torch.compile")
    parser.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--chunk", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(measure_memory(options.memory, options.chunk)))
    else:
        found = measure(options.steps, options.compile)
        record("training", found)
        print(json.dumps(found, indent=2))
