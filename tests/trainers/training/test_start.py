"""Whole runs on recorded batches: resume, refusal, cancellation, export."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from bali_platform.streaming import BatchKey, InlineSource, Recorder, encode
from bali_trainers.batches.order import DEV_EPOCH
from bali_trainers.export import export_checkpoint
from bali_trainers.training.joint_model import Task
from bali_trainers.training.rank_launcher import CANCELLED
from bali_trainers.training.start import main

BATCHES = 8

pytestmark = pytest.mark.timeout(600)  # processes that import torch, on a busy machine


@pytest.fixture(autouse=True)
def _arithmetic_as_before():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def recording(tmp_path, make_arrays) -> Path:
    path = tmp_path / "batches.bali"
    source = InlineSource(
        lambda key: encode(make_arrays(key.rank * 1000 + key.epoch * 100 + key.index))
    )
    keys = [
        BatchKey(epoch, index, rank)
        for epoch in (*range(8), DEV_EPOCH)
        for index in range(BATCHES)
        for rank in range(2)
    ]
    assert len(list(Recorder(source, path).batches(keys))) == len(keys)
    return path


@pytest.fixture
def job(tmp_path, recording, settings_text, tiny_model) -> Callable[..., Path]:
    def make(name: str, spec: dict | None = None, **sections: dict) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        sections["data"] = {
            "source": "replay",
            "replay": str(recording),
            **sections.get("data", {}),
        }
        sections["run"] = {"checkpoint_every": 5, "log_every": 5, **sections.get("run", {})}
        (folder / "config.json").write_text(json.dumps(settings_text(**sections)))
        whole = {
            "seed": 29,
            "corpus": str(tmp_path / "corpus"),
            "corpus_sha": "c0",
            "graph_version": "g0",
            "relation_types": ["ISA", "PART_OF", "TREATS"],
            "tokenizer": str(tiny_model()),
            **(spec or {}),
        }
        (folder / "spec.json").write_text(json.dumps(whole))
        return folder

    return make


def weights(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "model" / "model.safetensors")


def same(one: Path, two: Path) -> bool:
    ours, theirs = weights(one), weights(two)
    return ours.keys() == theirs.keys() and all(
        ours[name].tobytes() == theirs[name].tobytes() for name in ours
    )


def metrics(folder: Path) -> list[dict[str, float]]:
    rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [{k: v for k, v in row.items() if k in ("step", "loss")} for row in rows]


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bali_trainers.training.start", str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)


def test_a_run_learns_and_reports(job):
    folder = job("run", optimiser={"text_lr": 3e-3, "graph_lr": 3e-3}, run={"max_steps": 40})
    assert main([str(folder)]) == 0
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, *range(5, 41, 5)]
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert {"alignment/bound", "mlm/accuracy", "data_wait", "memory_mib"} <= set(rows[0])
    assert [row["lost_mentions"] for row in rows[:3]] == [1, 4, 5]
    assert 0 < rows[0]["padding"] < 1


def kill_after(step: int, folder: Path) -> None:
    process = start(folder)
    wait_for(folder / "checkpoints" / f"step-{step:08d}", process)
    process.kill()
    process.communicate()
    assert not (folder / "model").exists()


def assert_goes_on_as(straight: Path, killed: Path) -> None:
    again = start(killed)
    output, errors = again.communicate()
    assert again.returncode == 0, errors
    assert "continuing after step" in output
    assert same(straight, killed)
    assert metrics(straight) == metrics(killed)


@pytest.mark.parametrize("step", [10, 35])
def test_a_killed_run_ends_with_the_same_bits(job, step):
    straight, killed = job("straight", run={"max_steps": 45}), job("killed", run={"max_steps": 45})
    assert main([str(straight)]) == 0
    kill_after(step, killed)
    assert_goes_on_as(straight, killed)


def test_two_killed_processes_end_with_the_same_bits(job):
    two = {"run": {"processes": 2, "max_steps": 30}, "spec": {"world_size": 2}}
    straight, killed = job("straight", **two), job("killed", **two)
    first = start(straight)
    _, errors = first.communicate()
    assert first.returncode == 0, errors
    kill_after(10, killed)
    assert_goes_on_as(straight, killed)


def test_two_processes_need_no_encoder_that_nothing_trains(job):
    objectives = {"mlm": {}}
    folder = job(
        "run",
        model={"pooling": "attention"},
        objectives=objectives,
        run={"processes": 2, "max_steps": 3},
        spec={"world_size": 2},
    )
    process = start(folder)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert not any(
        name.startswith("graph.")
        for name in load_file(folder / "model/graph_encoder/model.safetensors")
    )


def test_two_machines_train_as_two_processes_of_one(job):
    two = {"run": {"processes": 2, "max_steps": 4, "log_every": 1}, "spec": {"world_size": 2}}
    here, apart = job("here", **two), job("apart", **two)
    one = start(here)
    _, errors = one.communicate()
    assert one.returncode == 0, errors
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2"]
    torchrun += ["--nproc-per-node", "1", "--master-addr", "127.0.0.1"]
    torchrun += ["--master-port", str(free_port())]
    program = ["-m", "bali_trainers.training.start", str(apart)]
    nodes = [
        subprocess.Popen(
            [*torchrun, "--node-rank", str(node), *program],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for node in range(2)
    ]
    said = [node.communicate()[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    assert metrics(here) == metrics(apart)
    assert same(here, apart)


def test_a_run_continues_on_another_number_of_ranks(job):
    folder = job("run", run={"max_steps": 5}, spec={"batch_size": 4})
    assert main([str(folder)]) == 0
    job("run", run={"max_steps": 10, "processes": 2}, spec={"batch_size": 2, "world_size": 2})
    assert main([str(folder)]) == 0
    assert [row["step"] for row in metrics(folder)] == [1, 5, 10]


def test_ranks_that_were_not_prepared_for_are_refused(job, capsys):
    folder = job("run", spec={"world_size": 2})
    assert main([str(folder)]) == 2
    assert "prepared for 2 processes, not 1" in capsys.readouterr().err


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


def test_a_stream_that_ends_early_is_one_line_and_work_is_kept(job, capsys):
    folder = job("run", run={"max_steps": 70})
    assert main([str(folder)]) == 1
    assert "holds no batch of epoch 8" in capsys.readouterr().err
    assert (folder / "checkpoints" / "step-00000060").is_dir()


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


def test_a_few_steps_are_traced(job):
    folder = job("run", run={"profile": 2})
    assert main([str(folder)]) == 0
    trace = json.loads((folder / "profile.json").read_text())
    assert {"aten::addmm"} <= {event.get("name") for event in trace["traceEvents"]}


def test_sharded_weights_are_resumed_bit_for_bit_and_by_one_process_alone(job):
    sections = {
        "run": {"processes": 2, "parallel": "fsdp", "max_steps": 10},
        "spec": {"world_size": 2, "batch_size": 2},
        "optimiser": {"average": 0.5},
    }
    folder = job("run", **sections)
    copied = []
    for _ in range(2):
        process = start(folder)
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        copied.append({**weights(folder), "rows": json.dumps(metrics(folder))})
        shutil.rmtree(folder / "checkpoints" / "step-00000010")
    assert "continuing after step 5" in output
    assert copied[0].keys() == copied[1].keys()
    assert all(np.array_equal(copied[0][name], value) for name, value in copied[1].items())
    job("run", spec={"batch_size": 4}, optimiser={"average": 0.5}, run={"max_steps": 10})
    assert main([str(folder)]) == 0
    assert [row["step"] for row in metrics(folder)] == [1, 5, 10]


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
