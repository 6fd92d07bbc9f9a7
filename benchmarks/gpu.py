"""The trainer on one GPU: ``python -m benchmarks.gpu [--tiny] [--results FILE]``.

Needs torch, transformers, PyG and at most eight minutes: no Neo4j, no Redis, no network and no
weights. Batches like those of PubMed sentences are drawn from a seed and replayed; the model has
the shape of BERT-base and random weights. Every case trains as a job does, and reports what a run
reports: utilisation (MFU), data wait, tokens and sentences a second, padding, peak memory; and how
often a step waited for the GPU. Beside them are a plain step like that of the public reference
code, 1,000 steps in bf16 that must stay finite, what a checkpoint takes from training, and a run
that is stopped and resumed under deterministic kernels. Results are written after each case; what
is not done after eight minutes is left out. ``--tiny`` shows on any CPU that all of it works.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM

from bali_platform.base.errors import BaliError
from bali_platform.streaming import Arrays, InlineSource, encode
from bali_trainers.batches.layout import FILLED, Layout
from bali_trainers.training.checkpoints import Checkpoints
from bali_trainers.training.config import Config, parse_config
from bali_trainers.training.joint_model import Task, build_task, parameter_groups
from bali_trainers.training.loop import Plan, Trainer
from benchmarks.drawn import RELATIONS, draw_batch, linearised
from benchmarks.reference import reference_loss

DRAWN = 16  # different batches of a kind
LIMIT_S = 470.0  # and what starting and ending takes
LATE = "no time was left"
PACKAGES = ("torch", "transformers", "torch-geometric", "numpy")


@dataclass(frozen=True)
class Case:
    """One run: of so many seconds, unless all of its ``steps`` are wanted."""

    name: str
    precision: str = "bf16"
    kind: str = "gatv2"
    sentences: int = 256
    packed: bool = True
    compiled: bool = False
    chunk: int = 0
    tf32: bool = True
    deterministic: bool = False
    steps: int | None = None


CASES = (
    Case("bf16 packed"),
    Case("bf16 padded", packed=False),
    Case("bf16 packed, 1,000 steps", steps=1000),
    Case("bf16 linearised", kind="linearised"),
    Case("bf16 of 1,024", sentences=1024),
    Case("bf16 of 1,024 in chunks of 256", sentences=1024, packed=False, chunk=256),
    Case("tf32 packed", precision="fp32"),
    Case("fp32 packed", precision="fp32", tf32=False),
    Case("bf16 packed deterministic", deterministic=True),
    Case("bf16 packed compiled", compiled=True),
)


@dataclass(frozen=True)
class Size:
    """How much of everything there is."""

    model: BertConfig = field(default_factory=BertConfig)
    shrink: int = 1
    seconds: float = 15.0
    steps: int = 1000
    saving: int = 300
    watched: int = 20
    backend: str = "inductor"

    def of(self, case: Case) -> Case:
        """Return the case in this size."""
        steps = min(case.steps, self.steps) if case.steps else None
        return replace(
            case,
            sentences=case.sentences // self.shrink,
            chunk=case.chunk // self.shrink,
            steps=steps,
        )


TINY = Size(
    BertConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64),
    shrink=64,
    seconds=0.5,
    steps=8,
    saving=8,
    watched=2,
    backend="eager",
)


class Watch:
    """A reporter that keeps the reports and times, and stops after so many seconds or steps."""

    def __init__(self, seconds: float = float("inf"), steps: int = sys.maxsize) -> None:
        self.rows: list[dict[str, float]] = []
        self.times: list[float] = []
        self._seconds, self._steps = seconds, steps

    def metrics(self, step: int, total: int, values: dict[str, float]) -> None:
        """Keep an interval."""
        self.rows.append(values)

    def resumed(self, step: int) -> None:
        """Of no interest."""

    def saved(self, step: int) -> None:
        """Of no interest."""

    def cancelled(self) -> bool:
        """Stop in time."""
        self.times.append(time.monotonic())
        late = self.times[-1] - self.times[0] > self._seconds
        return late or len(self.times) >= self._steps


class Bench:
    """Runs cases in a folder, on the GPU if there is one."""

    def __init__(self, folder: Path, size: Size) -> None:
        self.device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
        self._folder, self._size = folder, size
        self._drawn: dict[tuple[str, int], list[Arrays]] = {}
        torch.manual_seed(0)
        BertForMaskedLM(size.model).save_pretrained(folder / "model")

    def measure(self, case: Case) -> dict[str, Any]:
        """Train a case and return the medians of its reports, the first third of them left out."""
        watch = Watch(self._size.seconds if case.steps is None else float("inf"))
        self._train(case, watch, case.steps or 100_000, log_every=5)
        steady = watch.rows[len(watch.rows) // 3 :]
        shares = ("mfu", "data_wait", "padding", "tokens_s", "sentences_s", "memory_mib")
        found: dict[str, Any] = {
            name: round(statistics.median(row[name] for row in steady), 4)
            for name in shares
            if name in steady[0]
        }
        found |= {
            "steps": len(watch.times),
            "loss": [watch.rows[0]["loss"], watch.rows[-1]["loss"]],
        }
        if self.device.type == "cuda":
            found["waits_a_step"] = self._waits(case)
        return found

    def plain(self, case: Case) -> dict[str, Any]:
        """Time a step like that of the public reference code, in the precision of a case."""
        task = self._task(case)
        optimiser = torch.optim.AdamW(task.parameters())
        seconds = []
        for arrays in self._batches(case)[:4]:
            started = time.perf_counter()
            with torch.device(self.device), torch.autocast(self.device.type, torch.bfloat16):
                loss = reference_loss(task, arrays, 1.0)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad()
            loss.item()
            seconds.append(time.perf_counter() - started)
        return {"sentences_s": round(case.sentences / statistics.median(seconds[1:]), 1)}

    def checkpoint(self, case: Case) -> dict[str, Any]:
        """Tell how many seconds a checkpoint takes from training, and which share of 10 minutes."""
        steps = self._size.saving
        half, took = steps // 2, []
        for every in (steps, half + 1):
            watch = Watch()
            self._train(case, watch, steps, log_every=5, checkpoint_every=every)
            took.append(watch.times[-1] - watch.times[half])
        cost = took[1] - took[0]
        return {"cost_s": round(cost, 3), "share_of_10_min": round(cost / 600, 5)}

    def resume(self, case: Case) -> dict[str, Any]:
        """Stop a run and resume it, and tell whether it ends with the bits of one that went on."""
        straight = self._train(case, Watch(), 6)
        self._train(case, Watch(steps=3), 6)
        resumed = self._train(case, Watch(), 6, fresh=False)
        pairs = zip(straight.parameters(), resumed.parameters(), strict=True)
        return {"same_bits": all(torch.equal(one, other) for one, other in pairs)}

    def _train(
        self, case: Case, watch: Watch, steps: int, *, fresh: bool = True, **run: int
    ) -> Task:
        config, device = self._config(case, **run), self.device
        if fresh:
            shutil.rmtree(self._folder / "checkpoints", ignore_errors=True)
        task = self._task(case)
        if case.compiled:
            task.text.compile_encoder(self._size.backend)
        payloads = [encode(arrays) for arrays in self._batches(case)]
        trainer = Trainer(
            task=task,
            optimiser=torch.optim.AdamW(parameter_groups(task, config.optimiser), fused=True),
            plan=Plan(batches_per_epoch=steps, max_steps=steps),
            source=InlineSource(lambda key: payloads[key.index % DRAWN]),
            checkpoints=Checkpoints(
                self._folder / "checkpoints", keep=1, facts={"identity": {}}, say=print
            ),
            reporter=watch,
            device=device,
            run=config.run,
            rates=config.optimiser,
            folder=self._folder,
            layout=Layout(FILLED[device.type], case.chunk or None, packed=case.packed),
            dense_weights=task.text.dense_weights,
        )
        with arithmetic(case):
            trainer.train()
        return task

    def _waits(self, case: Case) -> float:
        """Count what torch says of waits for the GPU in steps that report nothing."""
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            self._train(case, Watch(steps=self._size.watched), 100_000)
            torch.cuda.set_sync_debug_mode("default")
        waits = [str(one.message) for one in said if "synchronizing" in str(one.message)]
        return round(len(waits) / self._size.watched, 2)

    def _task(self, case: Case) -> Task:
        torch.manual_seed(1)
        return build_task(self._config(case), RELATIONS).to(self.device).train()

    def _config(self, case: Case, **run: int) -> Config:
        data = {
            "name": "gpu",
            "model": {"base": str(self._folder / "model")},
            "data": {"batch_size": case.sentences},
            "graph_encoder": {"kind": case.kind},
            "run": {"precision": case.precision, "chunk": case.chunk, "log_every": 1000, **run},
        }
        return parse_config(data, "benchmark")

    def _batches(self, case: Case) -> list[Arrays]:
        key = (case.kind, case.sentences)
        if key not in self._drawn:
            vocabulary = self._size.model.vocab_size
            drawn = [
                draw_batch(np.random.default_rng(number), case.sentences, vocabulary)
                for number in range(DRAWN)
            ]
            self._drawn[key] = [
                linearised(arrays) if case.kind == "linearised" else arrays for arrays in drawn
            ]
        return self._drawn[key]


@contextmanager
def arithmetic(case: Case) -> Iterator[None]:
    """Compute as a case wants it, and as before afterwards."""
    torch.set_float32_matmul_precision("high" if case.tf32 else "highest")
    torch.use_deterministic_algorithms(case.deterministic)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_float32_matmul_precision("highest")


def run(size: Size, keep: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Run every case; ``keep`` is called with all results after each."""
    began = time.monotonic()
    cuda = torch.cuda.is_available()
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "cuda": torch.version.cuda if cuda else None,
        "versions": {package: version(package) for package in PACKAGES},
    }
    first, last = size.of(CASES[0]), replace(size.of(CASES[0]), deterministic=True)
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), size)
        parts: list[tuple[str, Callable[[], dict[str, Any]]]] = [
            (case.name, partial(bench.measure, size.of(case))) for case in CASES
        ]
        parts.insert(1, ("a plain step", partial(bench.plain, first)))
        parts.insert(2, ("a checkpoint", partial(bench.checkpoint, first)))
        parts.insert(3, ("resumed, deterministic", partial(bench.resume, last)))
        for part, measure in parts:
            started = time.monotonic()
            left = LIMIT_S - (started - began)
            results[part] = attempt(measure, left) if left > 0 else {"failed": LATE}
            results[part]["took_s"] = round(time.monotonic() - started, 1)
            keep(results)
    return results


def attempt(measure: Callable[[], dict[str, Any]], seconds: float) -> dict[str, Any]:
    """Return what a case gave, or why it failed or was late: the others are worth knowing."""
    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return measure()
    except (RuntimeError, ValueError, BaliError, TimeoutError) as error:
        return {"failed": str(error).strip().splitlines()[0]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


def stop(*_: object) -> NoReturn:
    """End the case that runs."""
    raise TimeoutError(LATE)


def main() -> None:
    """Measure, and write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--tiny", action="store_true", help="show on a CPU that it works")
    parser.add_argument("--results", type=Path, help="where to write the numbers after each case")
    options = parser.parse_args()
    # What cuBLAS wants to be told before it starts, to be deterministic.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

    def keep(results: dict[str, Any]) -> None:
        text = json.dumps(results, indent=2)
        if options.results:
            options.results.write_text(text + "\n", encoding="utf-8")
        name, value = list(results.items())[-1]
        print(f"{name}: {json.dumps(value)}", flush=True)

    run(TINY if options.tiny else Size(), keep)


if __name__ == "__main__":
    main()
