"""What a process measures, added up until somebody publishes it for Prometheus."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60)

BATCH_BUILD = "bali_batch_build_seconds"
NEO4J = "bali_neo4j_seconds"
CHECKPOINT = "bali_checkpoint_seconds"
CHECKPOINT_BYTES = "bali_checkpoint_bytes"
LAST_CHECKPOINT = "bali_checkpoint_last_timestamp_seconds"

LATEST = "latest"


class Cell(NamedTuple):
    """A number of a metric: ``part`` is a bucket's bound, ``sum``, ``total`` or ``latest``.

    All are added up, but for the latest value.
    """

    metric: str
    label: str
    part: str


_lock = threading.Lock()
_cells: dict[Cell, float] = {}


@contextmanager
def timed(metric: str, label: str = "") -> Iterator[None]:
    """Count how long the block takes, in seconds, in a histogram; one that fails, too."""
    started = time.perf_counter()
    try:
        yield
    finally:
        seconds = time.perf_counter() - started
        bound = next((str(bound) for bound in BUCKETS_S if seconds <= bound), "+Inf")
        add({Cell(metric, label, bound): 1, Cell(metric, label, "sum"): seconds})


def count(metric: str, amount: float, label: str = "") -> None:
    """Add to a counter."""
    add({Cell(metric, label, "total"): amount})


def note(metric: str, value: float, label: str = "") -> None:
    """Keep a value that never falls."""
    add({Cell(metric, label, LATEST): value})


def take() -> dict[Cell, float]:
    """Return what was measured since the last call."""
    with _lock:
        taken = dict(_cells)
        _cells.clear()
    return taken


def add(cells: Mapping[Cell, float]) -> None:
    """Add to what was measured, also what was taken and could not be published."""
    with _lock:
        for cell, amount in cells.items():
            before = _cells.get(cell, 0)
            _cells[cell] = max(before, amount) if cell.part == LATEST else before + amount
