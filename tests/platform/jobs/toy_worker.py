"""A Celery worker whose batches are toys: python toy_worker.py (supervise | QUEUE CONCURRENCY)."""

from __future__ import annotations

import logging
import os
import sys
import time
from hashlib import sha256

from bali_platform.base.errors import BaliError
from bali_platform.base.settings import load_settings
from bali_platform.jobs import (
    JobStore,
    cards,
    code_version,
    connect,
    lease,
    pulse,
    training,
    worker,
)
from bali_platform.jobs.app import app
from bali_platform.streaming import BatchKey, answer

app.conf.include = ["bali_platform.jobs.training"]
training.PROGRAMS["toy"] = "toy_trainer"
lease.TIME_TO_LIVE_S, lease.GRACE_S, training.HEARTBEAT_S = 6.0, 3.0, 0.5
worker.SWEEP_EVERY_S, worker.HUNG_AFTER_S = 0.5, 15.0
pulse.INTERVAL_S, pulse.STALLED_AFTER_S = 1.0, 3.0
training.STOP_WITHIN_S = 5.0
training.inventory = worker.inventory = lambda: tuple(
    cards.Card(f"GPU-{name}") for name in os.environ.get("TOY_CARDS", "").split()
)


def build(job_id: str, key: BatchKey) -> bytes:
    """Return the toy batch of a key; the same for every job, unless it is poisoned."""
    if key.index == 7 and JobStore(connect()).get(job_id).config.get("poison"):
        raise BaliError("poisoned")
    return sha256(str(key).encode()).digest() * 1000


def version_on_disk() -> str:
    """Return the version on disk; a test changes it with a file."""
    return code_version() + ("+changed" if (load_settings().home / "changed").exists() else "")


worker.code_version_on_disk = version_on_disk


@app.task(name="bali.build_batch")
def build_batch(job_id: str, epoch: int, index: int, rank: int) -> None:
    key = BatchKey(epoch, index, rank)
    time.sleep(0.005)
    answer(connect(), job_id, key, lambda: build(job_id, key))


def command(queue: str, concurrency: int) -> list[str]:
    return [sys.executable, __file__, queue, str(concurrency)]


if __name__ == "__main__":
    if sys.argv[1] == "supervise":
        logging.basicConfig(level=logging.INFO)
        worker.run_worker(load_settings(), sys.argv[2].split(","), 2, command)
    else:
        arguments = worker.celery_command(sys.argv[1], int(sys.argv[2]))
        app.worker_main(arguments[arguments.index("worker") :])
