"""The trainer on one GPU: ``python -m benchmarks.gpu [--tiny] [--model FOLDER] [--results FILE]``.

Needs no Neo4j, no Redis and no network: batches like those of PubMed sentences are drawn from a
seed and replayed from a file, by the same jobs that train on real ones. The model has the shape of
BERT-base and random weights, or is the one in FOLDER. For each case it reports what the run itself
reports: utilisation (MFU), data wait, tokens and sentences a second, padding, peak memory. bf16 and
fp16 run for 1,000 steps and must stay finite; compilation, packing and the linearised encoder run
for 150.
``--tiny`` shows on any CPU that all of it works, with a tiny model and a few steps.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from bali_platform.streaming import Arrays, BatchKey, InlineSource, Recorder, encode
from bali_trainers.models.bases import resolve_base
from bali_trainers.training.assembly import train_folder

RELATIONS = 200
PACKAGES = ("torch", "transformers", "torch-geometric", "numpy")


@dataclass(frozen=True)
class Case:
    """One run."""

    name: str
    precision: str
    steps: int
    kind: str = "gatv2"
    compiled: bool = False
    packed: bool = False


CASES = (
    Case("bf16", "bf16", 1000),
    Case("fp16", "fp16", 1000),
    Case("bf16 compiled", "bf16", 150, compiled=True),
    Case("bf16 packed", "bf16", 150, packed=True),
    Case("bf16 linearised", "bf16", 150, kind="linearised"),
)
TINY = (
    Case("bf16", "bf16", 6),
    Case("bf16 packed", "bf16", 6, packed=True),
    Case("bf16 linearised", "bf16", 6, kind="linearised"),
)


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


def record_batches(path: Path, kind: str, count: int, sentences: int, vocabulary: int) -> None:
    """Draw batches into a recording."""

    def build(key: BatchKey) -> bytes:
        arrays = draw_batch(np.random.default_rng(key.index), sentences, vocabulary)
        return encode(linearised(arrays) if kind == "linearised" else arrays)

    keys = [BatchKey(0, index) for index in range(count)]
    for _ in Recorder(InlineSource(build), path).batches(keys):
        pass


def make_model(folder: Path, tiny: bool) -> Path:
    """Make a model of the shape of BERT-base with random weights."""
    small = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    torch.manual_seed(0)
    BertForMaskedLM(small if tiny else BertConfig()).save_pretrained(folder)
    AutoTokenizer.from_pretrained(resolve_base("minilm")).save_pretrained(folder)
    return folder


def run_case(
    case: Case, model: Path, batches: Path, sentences: int, folder: Path
) -> dict[str, Any]:
    """Train a job and return what its reports say, the first third of them left out."""
    every = max(case.steps // 30, 1)
    config = {
        "name": "gpu",
        "model": {"base": str(model)},
        "data": {"source": "replay", "replay": str(batches), "batch_size": sentences},
        "graph_encoder": {"kind": case.kind},
        "run": {
            "max_steps": case.steps,
            "precision": case.precision,
            "compile": case.compiled,
            "packed": case.packed,
            "log_every": every,
            "checkpoint_every": case.steps,
        },
    }
    spec = {
        "seed": 0,
        "corpus": "drawn",
        "corpus_sha": "drawn",
        "graph_version": "drawn",
        "relation_types": [f"R{number}" for number in range(RELATIONS)],
        "tokenizer": str(model),
        "batch_size": sentences,
        "encoder": "linearised" if case.kind == "linearised" else "graph",
    }
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "spec.json").write_text(json.dumps(spec))
    train_folder(folder)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    shutil.rmtree(folder)
    steady = rows[len(rows) // 3 :]
    shares = ("mfu", "data_wait", "padding", "tokens_s", "sentences_s", "memory_mib")
    found = {
        name: round(statistics.median(row[name] for row in steady), 4)
        for name in shares
        if name in rows[0]
    }
    return {"steps": case.steps, "first_loss": rows[0]["loss"], "loss": rows[-1]["loss"], **found}


def measure(tiny: bool, model: Path | None) -> dict[str, Any]:
    """Run every case, and return the numbers by name."""
    sentences, cases = (8, TINY) if tiny else (256, CASES)
    cuda = torch.cuda.is_available()
    results: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "cuda": torch.version.cuda if cuda else None,
        "command": ["python", "-m", "benchmarks.gpu", *sys.argv[1:]],
        "versions": {package: version(package) for package in PACKAGES},
        "batch": sentences,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = model or make_model(folder / "model", tiny)
        vocabulary = json.loads((base / "config.json").read_text())["vocab_size"]
        for case in cases:
            batches = folder / f"{case.kind}.bali"
            if not batches.exists():
                count = max(other.steps for other in cases if other.kind == case.kind)
                record_batches(batches, case.kind, count, sentences, vocabulary)
            results[case.name] = run_case(case, base, batches, sentences, folder / "job")
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--tiny", action="store_true", help="show on a CPU that it works")
    parser.add_argument("--model", type=Path, help="a folder with a model of BERT's vocabulary")
    parser.add_argument("--results", type=Path, help="where to write the numbers")
    options = parser.parse_args()
    found = json.dumps(measure(options.tiny, options.model), indent=2)
    if options.results:
        options.results.write_text(found + "\n", encoding="utf-8")
    print(found)
