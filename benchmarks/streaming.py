"""Batches through Celery and Redis: ``python -m benchmarks.streaming [CONFIG]``.

Needs a running home (``bali up``) with a loaded graph and the configuration's corpus, and no other
workers. Measures, with the neighbourhood cache warm, the sentences per second that one and two
worker processes turn into ready-to-train batches, and how long a trainer that takes 500 sentences
a second waits. Prints JSON.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bali_platform.jobs import JobStore, connect
from bali_platform.jobs.throughput import Throughput, borrowed_stream, measure
from bali_platform.settings import load_settings
from bali_platform.streaming import BatchKey
from bali_trainers.jobs import PreparedJob, prepare

BATCHES = 300
TRAINER_SENTENCES_S = 500
WINDOW = 16


@contextmanager
def workers(processes: int) -> Iterator[None]:
    """Run ``bali worker`` with so many processes that build batches."""
    command = [sys.executable, "-m", "bali_platform", "worker", "--queues", "subgraphs"]
    worker = subprocess.Popen(
        [*command, "--concurrency", str(processes)], stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait()


def stream(prepared: PreparedJob, batches: int, seconds_per_batch: float = 0.0) -> Throughput:
    """Stream the first batches of a run."""
    settings = load_settings()
    store = JobStore(connect(settings))
    keys = [BatchKey(0, index) for index in range(batches)]
    with borrowed_stream(
        store, prepared.config, prepared.spec, settings.home / "jobs", WINDOW
    ) as source:
        return measure(source, keys, seconds_per_batch)


def run(config: str = "demo") -> dict[str, Any]:
    """Measure, and return the numbers by name."""
    prepared = prepare(config, load_settings())
    size = prepared.spec["batch_size"]
    result: dict[str, Any] = {"config": prepared.name, "batch_size": size, "batches": BATCHES}
    for processes in (1, 2):
        with workers(processes):
            stream(prepared, BATCHES)  # warms the cache
            measured = stream(prepared, BATCHES)
            result[f"sentences_s_{processes}"] = round(measured.batches_s * size, 1)
            result["bytes_per_batch"] = measured.payload_bytes // measured.batches
            if processes == 1:
                paced = stream(prepared, BATCHES, size / TRAINER_SENTENCES_S)
                result[f"data_wait_at_{TRAINER_SENTENCES_S}_sentences_s"] = round(
                    paced.data_wait, 5
                )
    result["speed_up"] = round(result["sentences_s_2"] / result["sentences_s_1"], 2)
    return result


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:]), indent=2))
