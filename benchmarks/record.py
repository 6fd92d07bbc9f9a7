"""How results are kept: ``benchmarks/results/<name>.json``, with what they were measured on."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from bali_platform.base.machine import machine
from bali_platform.services.distribution import locked_jars

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("duckdb", "neo4j", "neo4j-rust-ext", "redis", "celery", "numpy", "torch")


def record(name: str, results: Mapping[str, Any]) -> Path:
    """Write ``results`` to ``benchmarks/results/<name>.json`` and return the file.

    Adds when they were ``measured``, the ``commit`` (with a ``+`` where the product was changed
    since), the ``machine`` and the ``versions`` of what does the work.
    """
    target = RESULTS / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    described = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": _machine(),
        "versions": _versions(),
    }
    target.write_text(json.dumps(described | dict(results), indent=2) + "\n", encoding="utf-8")
    return target


def _commit() -> str:
    changed = _git("status", "--porcelain", "--", "platform", "loaders", "trainers")
    return _git("rev-parse", "HEAD") + ("+" if changed else "")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(RESULTS.parent), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _versions() -> dict[str, str]:
    server = next(jar for jar in locked_jars() if ":neo4j-server:" in jar.coordinate)
    return {
        "python": platform.python_version(),
        "neo4j-server": server.coordinate.split(":")[2],
        **{package: version(package) for package in PACKAGES},
    }


def _machine() -> dict[str, Any]:
    return {
        **machine(),
        "load_average": [round(load, 1) for load in psutil.getloadavg()],
    }
