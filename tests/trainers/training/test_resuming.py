"""Runs that are stopped go on as if they had not been, and refuse what is not theirs."""

from __future__ import annotations

import json
import shutil
import signal

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.trainers.training.runs import (
    assert_goes_on_as,
    kill_after,
    metrics,
    same,
    start,
    wait_for,
    weights,
)

from bali_trainers.export import export_checkpoint
from bali_trainers.training.rank_launcher import CANCELLED
from bali_trainers.training.start import main

pytestmark = pytest.mark.timeout(600)  # processes that import torch, on a busy machine


@pytest.mark.parametrize("step", [10, 35])
def test_a_killed_run_ends_with_the_same_bits(job, step):
    straight, killed = job("straight", run={"max_steps": 45}), job("killed", run={"max_steps": 45})
    assert main([str(straight)]) == 0
    kill_after(step, killed)
    assert_goes_on_as(straight, killed)


def test_a_terminated_run_saves_then_says_so(job):
    straight, stopped = (
        job("straight", run={"max_steps": 40}),
        job("stopped", run={"max_steps": 40}),
    )
    process = start(stopped)
    wait_for(stopped / "checkpoints" / "step-00000005", process)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == CANCELLED
    assert not (stopped / "model").exists()
    assert main([str(stopped)]) == 0
    assert main([str(straight)]) == 0
    assert same(straight, stopped)


def test_a_truncated_checkpoint_gives_way_to_the_one_before_it(job, capsys):
    straight, cut = job("straight"), job("cut")
    assert main([str(straight)]) == 0
    assert main([str(cut)]) == 0
    newest = cut / "checkpoints" / "step-00000008"
    model = newest / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-10])
    (cut / "model" / "model.safetensors").unlink()
    capsys.readouterr()
    assert main([str(cut)]) == 0
    said = capsys.readouterr().out
    assert "step-00000008 is damaged (model.safetensors is not what was written)" in said
    assert "continuing after step 5" in said
    assert same(straight, cut)


def test_only_the_newest_checkpoints_are_kept(job):
    folder = job("run", run={"max_steps": 32, "keep": 3})
    assert main([str(folder)]) == 0
    kept = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert kept == ["step-00000025", "step-00000030", "step-00000032"]


def test_a_finished_run_does_nothing_again(job):
    folder = job("run")
    assert main([str(folder)]) == 0
    before, rows = weights(folder), metrics(folder)
    assert main([str(folder)]) == 0
    assert all(np.array_equal(before[name], value) for name, value in weights(folder).items())
    assert metrics(folder) == rows


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"spec": {"corpus_sha": "c1"}}, 'its corpus is "c0", this run\'s is "c1"'),
        ({"spec": {"graph_version": "g1"}}, 'its graph version is "g0"'),
        ({"spec": {"relation_types": ["ISA"]}}, "its relation types is"),
        ({"model": {"pooling": "max"}}, "its model is"),
        ({"seed": 3}, "its seed is 29"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(job, capsys, change, line):
    folder = job("run")
    assert main([str(folder)]) == 0
    seed = change.pop("seed", None)
    job("run", **change)
    if seed is not None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "seed": seed}))
    assert main([str(folder)]) == 2
    error = capsys.readouterr().err
    assert "belongs to another run" in error
    assert line in error
    assert error.count("\n") == 1


def test_an_average_of_the_weights_is_resumed_and_exported(job):
    options = {"optimiser": {"average": 0.9, "text_lr": 1e-2}}
    folder, plain = job("average", **options), job("plain", optimiser={"text_lr": 1e-2})
    assert main([str(folder)]) == 0
    assert main([str(plain)]) == 0
    exported = weights(folder)
    checkpoint = folder / "checkpoints" / "step-00000008"
    shutil.rmtree(checkpoint)
    assert main([str(folder)]) == 0
    assert all(np.array_equal(exported[name], value) for name, value in weights(folder).items())
    assert not same(folder, plain)
    export_checkpoint(checkpoint, folder / "again")
    again = load_file(folder / "again" / "model.safetensors")
    assert all(np.array_equal(exported[name], value) for name, value in again.items())
