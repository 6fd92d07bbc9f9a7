"""The trainer on one GPU: ``python -m benchmarks.gpu [--tiny] [--results FILE]``.

Needs torch, transformers, PyG, pydantic and at most eight minutes: no Neo4j, no Redis, no network
and no weights. Batches like those of PubMed sentences are drawn from a seed and replayed; the model
has the shape of BERT-base and random weights. Every case trains as a job does, and reports what a
run reports: utilisation (MFU), data wait, tokens and sentences a second, padding, peak memory; and
how often a step waited for the GPU. Beside them are a plain step like that of the public reference
code, 1,000 steps in bf16 that must stay finite, and a run that is stopped and resumed under
deterministic kernels. Results are written after each case. ``--tiny`` shows on any CPU that all of
it works.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
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
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertForMaskedLM

from bali_platform.streaming import Arrays, InlineSource, encode
from bali_trainers.batches.layout import FILLED, Layout
from bali_trainers.training.checkpoints import Checkpoints
from bali_trainers.training.config import Config, parse_config
from bali_trainers.training.joint_model import Task, build_task, parameter_groups
from bali_trainers.training.loop import Plan, Trainer
from benchmarks.reference import reference_loss

RELATIONS = 200
DRAWN = 16  # different batches of a kind
LIMIT_S = 480.0
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
    Case("bf16 packed compiled", compiled=True),
    Case("bf16 packed, 1,000 steps", steps=1000),
    Case("bf16 linearised", kind="linearised"),
    Case("bf16 of 1,024", sentences=1024),
    Case("bf16 of 1,024 in chunks of 256", sentences=1024, packed=False, chunk=256),
    Case("tf32 packed", precision="fp32"),
    Case("fp32 packed", precision="fp32", tf32=False),
    Case("bf16 packed deterministic", deterministic=True),
)


@dataclass(frozen=True)
class Size:
    """How much of everything there is."""

    model: BertConfig = field(default_factory=BertConfig)
    shrink: int = 1
    seconds: float = 15.0
    steps: int = 1000
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
    watched=2,
    backend="eager",
)


class Watch:
    """A reporter that keeps the reports, and stops a run after so many seconds or steps."""

    def __init__(self, seconds: float = float("inf"), steps: int = sys.maxsize) -> None:
        self.rows: list[dict[str, float]] = []
        self.done = 0
        self._seconds, self._steps, self._began = seconds, steps, 0.0

    def metrics(self, step: int, total: int, values: dict[str, float]) -> None:
        """Keep an interval."""
        self.rows.append(values)

    def resumed(self, step: int) -> None:
        """Of no interest."""

    def saved(self, step: int) -> None:
        """Of no interest."""

    def cancelled(self) -> bool:
        """Stop in time."""
        self.done += 1
        self._began = self._began or time.monotonic()
        return self.done >= self._steps or time.monotonic() - self._began > self._seconds


def draw_batch(random: np.random.Generator, sentences: int, vocabulary: int) -> Arrays:
    """Draw a batch with the lengths and counts of PubMed: 32 pieces, two mentions a sentence."""
    lengths = np.clip(random.lognormal(3.4, 0.4, sentences), 8, 128).astype(int)
    ids, mask = draw_rows(random, lengths, vocabulary)
    chosen = (random.random(ids.shape) < 0.15) & (mask == 1)
    chosen[:, 1] = True
    labels = np.where(chosen, ids, -100).astype(np.int32)
    row = np.repeat(np.arange(sentences), 2)
    first = 1 + (random.random(len(row)) * (lengths[row] - 4)).astype(int)
    tokens = (row * ids.shape[1] + first)[:, None] + np.arange(2)
    concepts = random.integers(0, 50_000, len(row))
    mentions, neighbours = len(row), 3 * len(row)
    nodes = mentions + neighbours
    name_ids, name_mask = draw_rows(random, random.integers(3, 16, nodes), vocabulary)
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "labels": labels,
        "mention_tokens": tokens.ravel().astype(np.int32),
        "mention_offsets": (2 * np.arange(mentions + 1)).astype(np.int32),
        "mention_concept": concepts,
        "negative_concept": np.empty(0, np.int64),
        "lost_mentions": np.zeros(1, np.int32),
        "name_input_ids": name_ids,
        "name_attention_mask": name_mask,
        "node_name": np.arange(nodes, dtype=np.int32),
        "node_concept": np.concatenate([concepts, random.integers(0, 600_000, neighbours)]),
        "edge_index": np.stack(
            [np.arange(mentions, nodes), np.repeat(np.arange(mentions), 3)]
        ).astype(np.int32),
        "edge_type": random.integers(0, 2 * RELATIONS, neighbours).astype(np.int32),
        "target_node": np.arange(mentions, dtype=np.int32),
        "negative_node": np.empty(0, np.int32),
        "further_node": np.empty(0, np.int32),
        "mention_name": np.arange(mentions, dtype=np.int32),
        "pair_concept": np.empty(0, np.int64),
        "name_pairs": np.empty((2, 0), np.int32),
    }


def draw_rows(
    random: np.random.Generator, lengths: NDArray[Any], vocabulary: int
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Draw rows of word pieces and their mask."""
    mask = np.arange(lengths.max()) < lengths[:, None]
    ids = random.integers(1000, vocabulary, mask.shape) * mask
    return ids.astype(np.int32), mask.astype(np.uint8)


def linearised(arrays: Arrays) -> Arrays:
    """Write each mention's name and those of its neighbours into one row."""
    mentions = len(arrays["target_node"])
    parts = [arrays["name_input_ids"][:mentions]]
    around = arrays["name_input_ids"][mentions:].reshape(mentions, -1)
    ids = np.concatenate([*parts, around], axis=1)
    lengths = (ids > 0).sum(axis=1)
    mask = np.arange(lengths.max()) < lengths[:, None]
    packed = np.zeros(mask.shape, np.int32)
    packed[mask] = ids[ids > 0]
    kept = {k: v for k, v in arrays.items() if not k.startswith(("name_", "node_", "edge_"))}
    return kept | {"graph_input_ids": packed, "graph_attention_mask": mask.astype(np.uint8)}


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
        found |= {"steps": watch.done, "loss": [watch.rows[0]["loss"], watch.rows[-1]["loss"]]}
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

    def resume(self, case: Case) -> dict[str, Any]:
        """Stop a run and resume it, and tell whether it ends with the bits of one that went on."""
        straight = self._train(case, Watch(), 6)
        self._train(case, Watch(steps=3), 6)
        resumed = self._train(case, Watch(), 6, fresh=False)
        pairs = zip(straight.parameters(), resumed.parameters(), strict=True)
        return {"same_bits": all(torch.equal(one, other) for one, other in pairs)}

    def _train(
        self, case: Case, watch: Watch, steps: int, *, log_every: int = 1000, fresh: bool = True
    ) -> Task:
        config, device = self._config(case, log_every), self.device
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
        return build_task(self._config(case, 1), RELATIONS).to(self.device).train()

    def _config(self, case: Case, log_every: int) -> Config:
        data = {
            "name": "gpu",
            "model": {"base": str(self._folder / "model")},
            "data": {"batch_size": case.sentences},
            "graph_encoder": {"kind": case.kind},
            "run": {"precision": case.precision, "chunk": case.chunk, "log_every": log_every},
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
    first, last = size.of(CASES[0]), size.of(CASES[-1])
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), size)
        parts: list[tuple[str, Callable[[], dict[str, Any]]]] = [
            (case.name, partial(bench.measure, size.of(case))) for case in CASES
        ]
        parts.insert(1, ("a plain step", partial(bench.plain, first)))
        parts.append(("resumed, deterministic", partial(bench.resume, last)))
        for part, measure in parts:
            started = time.monotonic()
            results[part] = attempt(measure) if started - began < LIMIT_S else "no time was left"
            if isinstance(results[part], dict):
                results[part]["took_s"] = round(time.monotonic() - started, 1)
            keep(results)
    return results


def attempt(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what a case gave, or why it failed: the others are worth knowing all the same."""
    try:
        return measure()
    except (RuntimeError, ValueError) as error:
        return {"failed": str(error).strip().splitlines()[0]}
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()


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
