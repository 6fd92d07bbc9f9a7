"""Runs that evaluate, keep their best step, and end where nothing gets better."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.trainers.training.runs import metrics, same, weights

from bali_trainers.training.start import main

pytestmark = pytest.mark.timeout(600)  # processes that import torch, on a busy machine


def hurried(**run) -> dict[str, dict]:
    """Options of a run that soon gets worse, because its steps are far too large."""
    return {
        "optimiser": {"text_lr": 5e-2, "graph_lr": 5e-2},
        "spec": {"dev_batches": 2},
        "data": {"dev_batches": 2},
        "run": {"evaluate_every": 2, "keep": 1, **run},
    }


def test_the_best_step_is_kept_and_exported(job):
    folder = job("run", **hurried(max_steps=8))
    assert main([str(folder)]) == 0
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    found = {row["step"]: row["dev/loss"] for row in rows if "dev/loss" in row}
    assert sorted(found) == [2, 4, 6, 8]
    best = min(found, key=found.get)
    assert best < 8
    kept = [path.name for path in sorted((folder / "checkpoints").iterdir())]
    assert kept == [f"step-{best:08d}", "step-00000008"]
    saved = load_file(folder / "checkpoints" / kept[0] / "model.safetensors")
    exported = weights(folder)
    name = "bert.encoder.layer.0.output.dense.weight"
    assert np.array_equal(exported[name], saved[f"text.model.{name}"])
    card = (folder / "model" / "README.md").read_text()
    row = next(row for row in rows if row["step"] == best)
    assert f"| loss | {row['loss']:.4g} | {row['dev/loss']:.4g} |" in card
    assert f"| step | {best} |  |" in card


def test_the_best_step_may_be_the_one_that_links_best(job):
    concepts = {f"C{n:02d}": [f"w{n} w{n + 1}"] for n in range(1, 30)}
    mentions = {f"w{n} w{n + 2}": [f"C{n:02d}"] for n in range(1, 30)}
    options = hurried(max_steps=8, best="linking/acc@1")
    options["spec"] |= {"linking": {"concepts": concepts, "mentions": mentions}}
    folder = job("run", **options, linking={"corpus": "dev"})
    assert main([str(folder)]) == 0
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    found = {row["step"]: row["dev/linking/acc@1"] for row in rows if "dev/loss" in row}
    assert len(set(found.values())) > 1
    best = max(found, key=found.get)
    assert (folder / "checkpoints" / f"step-{best:08d}").is_dir()


def test_a_run_that_no_longer_improves_ends(job):
    folder = job("run", **hurried(max_steps=40, patience=2))
    assert main([str(folder)]) == 0
    rows = metrics(folder)
    assert rows[-1]["step"] < 40
    exported = weights(folder)
    assert main([str(folder)]) == 0
    assert metrics(folder) == rows
    assert all(np.array_equal(exported[name], value) for name, value in weights(folder).items())


def test_evaluations_are_resumed(job):
    straight, cut = (job(name, **hurried(max_steps=8)) for name in ("straight", "cut"))
    assert main([str(straight)]) == main([str(cut)]) == 0
    shutil.rmtree(cut / "checkpoints" / "step-00000008")
    assert main([str(cut)]) == 0
    assert same(straight, cut)
    assert metrics(straight) == metrics(cut)
