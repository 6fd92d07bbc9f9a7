"""Runs in their folders: started, stopped, and compared bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file


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


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.002)


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
