"""Whole runs on recorded batches: reports, precision, refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from tests.trainers.training.runs import metrics, weights

from bali_platform.base.errors import NO_ROOM
from bali_trainers.training.joint_model import Task
from bali_trainers.training.start import main

pytestmark = pytest.mark.timeout(600)  # processes that import torch, on a busy machine


def test_a_run_learns_and_reports(job):
    folder = job("run", optimiser={"text_lr": 3e-3, "graph_lr": 3e-3}, run={"max_steps": 40})
    assert main([str(folder)]) == 0
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, *range(5, 41, 5)]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert {"alignment/bound", "mlm/accuracy", "data_wait", "memory_mib"} <= set(rows[0])
    assert [row["lost_mentions"] for row in rows[:3]] == [1, 4, 5]
    assert 0 < rows[0]["padding"] < 1


def test_a_stream_that_ends_early_is_one_line_and_work_is_kept(job, capsys):
    folder = job("run", run={"max_steps": 70})
    assert main([str(folder)]) == 1
    assert "holds no batch of epoch 8" in capsys.readouterr().err
    assert (folder / "checkpoints" / "step-00000060").is_dir()


@pytest.mark.mounts
def test_a_full_disk_has_an_exit_code_of_its_own_and_the_run_goes_on_later(job, mount, tmp_path):
    disk = mount(tmp_path / "run")
    folder = job("run", run={"max_steps": 40})
    disk.fill()
    assert main([str(folder)]) == NO_ROOM
    disk.free()
    assert main([str(folder)]) == 0
    assert metrics(folder)[-1]["step"] == 40


def test_half_precision_on_the_cpu_is_bf16(job, capsys):
    folder = job("run", run={"precision": "bf16"})
    assert main([str(folder)]) == 0
    assert all(value.dtype == np.float32 for value in weights(folder).values())
    refused = job("refused", run={"precision": "fp16", "device": "auto"})
    assert main([str(refused)]) == 2
    assert "needs a GPU" in capsys.readouterr().err


def test_accumulation_uses_several_batches_a_step(job):
    folder = job("run", optimiser={"accumulation": 3}, run={"log_every": 1})
    assert main([str(folder)]) == 0
    assert [row["step"] for row in metrics(folder)] == [1, 2]


def test_a_few_steps_are_traced(job):
    folder = job("run", run={"profile": 2})
    assert main([str(folder)]) == 0
    trace = json.loads((folder / "profile.json").read_text())
    assert {"aten::addmm"} <= {event.get("name") for event in trace["traceEvents"]}


def test_only_adapters_learn_and_the_export_is_plain(job, tiny_model):
    folder = job("run", model={"lora_rank": 2}, optimiser={"graph_lr": 1e-2})
    assert main([str(folder)]) == 0
    before, after = load_file(tiny_model() / "model.safetensors"), weights(folder)
    assert before.keys() == after.keys()
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert any("attention" in name for name in moved)
    assert not any("embeddings" in name for name in moved)


def test_a_loss_that_is_not_finite_leaves_its_batch(job, capsys):
    folder = job("run", optimiser={"text_lr": 1e30, "graph_lr": 1e30})
    assert main([str(folder)]) == 2
    assert "is not finite, or its gradient; the batch is in" in capsys.readouterr().err
    (path,) = folder.glob("not-finite-0-*.safetensors")
    assert "input_ids" in load_file(path)


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has"),
            "2.50 GiB",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 64 b"),
            "64 b",
        ),
    ],
)
def test_too_little_memory_is_one_line_and_work_is_kept(job, capsys, monkeypatch, error, asked):
    forward, calls = Task.forward, []

    def greedy(task, batch):
        calls.append(batch)
        if len(calls) > 6:
            raise error
        return forward(task, batch)

    monkeypatch.setattr(Task, "forward", greedy)
    folder = job("run")
    assert main([str(folder)]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"out of memory ({asked} more were asked for)" in said
    assert "lower [data] batch_size = 32, or set [run] chunk" in said
    monkeypatch.undo()
    assert main([str(folder)]) == 0
    assert "continuing after step 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("break_it", "line"),
    [
        (lambda folder: (folder / "spec.json").unlink(), "the folder of a job?"),
        (lambda folder: (folder / "spec.json").write_text("{"), "spec.json is damaged"),
        (lambda folder: (folder / "config.json").write_text('{"nme": 1}'), "unknown key 'nme'"),
        (lambda folder: (folder / "spec.json").write_text("{}"), "spec.json: seed"),
    ],
)
def test_a_damaged_job_is_one_line(job, capsys, break_it, line):
    folder = job("run")
    break_it(folder)
    assert main([str(folder)]) in (1, 2)
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
