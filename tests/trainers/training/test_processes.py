"""Runs of several processes, on one machine and on two."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.trainers.training.runs import (
    assert_goes_on_as,
    kill_after,
    metrics,
    same,
    start,
    weights,
)

from bali_trainers.training.start import main

pytestmark = pytest.mark.timeout(600)  # processes that import torch, on a busy machine


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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
