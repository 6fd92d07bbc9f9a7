"""The benchmark for GPUs runs on a machine that has nothing but what it says it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu import attempt

BARE = """
import re, runpy, sys
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions, requires
from packaging.requirements import Requirement

def plain(name):
    return re.sub("[-_.]+", "-", name).lower()

allowed, waiting = set(), ["torch", "transformers", "torch-geometric", "numpy"]
while waiting:
    name = plain(waiting.pop())
    if name not in allowed:
        allowed.add(name)
        needs = map(Requirement, requires(name) or [])
        plainly = {"extra": ""}
        waiting += [n.name for n in needs if not n.marker or n.marker.evaluate(plainly)]
ours = {"benchmarks", "bali", "bali_loaders", "bali_platform", "bali_trainers"}
absent = {
    module for module, owners in packages_distributions().items()
    if module not in ours and not allowed & set(map(plain, owners))
}
assert {"celery", "neo4j", "pyarrow", "redis"} <= absent

class Present(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name.partition(".")[0] in absent
        return None if hidden else PathFinder.find_spec(name, path, target)

def offline(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise OSError("there is no network")

sys.meta_path[sys.meta_path.index(PathFinder)] = Present
sys.addaudithook(offline)
sys.argv = ["gpu", "--tiny", "--results", sys.argv[1]]
runpy.run_module("benchmarks.gpu", run_name="__main__")
"""


def test_the_benchmark_runs_on_a_bare_machine(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    results = tmp_path / "results.json"
    done = subprocess.run(
        [sys.executable, "-c", BARE, str(results)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(results.read_text())
    cases = {name: value for name, value in found.items() if isinstance(value, dict)}
    assert not {name: case for name, case in cases.items() if "failed" in case}
    assert cases["bf16 packed, 1,000 steps"]["steps"] == 8
    assert cases["resumed, deterministic"]["same_bits"]
    assert {"cost_s", "share_of_10_min"} <= set(cases["a checkpoint"])
    assert cases["a plain step"]["sentences_s"] > 0


def test_a_case_ends_when_its_time_is_over() -> None:
    assert attempt(lambda: time.sleep(60) or {}, 0.05) == {"failed": "no time was left"}
    assert attempt(dict, 60) == {}
