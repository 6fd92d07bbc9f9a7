"""The machine that a measurement was made on."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import psutil


def machine() -> dict[str, Any]:
    """Describe its processor, its memory in GB, and its system, as JSON values."""
    return {
        "cpu": _cpu(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30),
        "system": platform.system(),
    }


def _cpu() -> str:
    described = Path("/proc/cpuinfo")
    if not described.exists():
        return platform.processor() or "unknown"
    lines = described.read_text(encoding="utf-8").splitlines()
    return next((line.split(": ")[1] for line in lines if "model name" in line), "unknown")
