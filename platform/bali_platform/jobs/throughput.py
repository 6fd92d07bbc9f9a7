"""How fast workers build batches, and how long a trainer of a given speed waits for them."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bali_platform.jobs.app import request_batch
from bali_platform.jobs.model import JobState
from bali_platform.jobs.store import JobStore
from bali_platform.streaming import BatchKey, StreamedSource


@dataclass(frozen=True)
class Throughput:
    """What came through a stream, and how long that took."""

    batches: int
    payload_bytes: int
    seconds: float
    waited_s: float

    @property
    def batches_s(self) -> float:
        """Batches per second."""
        return self.batches / self.seconds

    @property
    def data_wait(self) -> float:
        """The share of the time that the consumer spent waiting."""
        return self.waited_s / self.seconds


@contextmanager
def borrowed_stream(
    store: JobStore, config: dict[str, Any], spec: dict[str, Any], folder: Path, window: int = 8
) -> Iterator[StreamedSource]:
    """Stream batches of a job that nobody runs; its record and its folder go afterwards."""
    job = store.submit("stream", "stream", config, spec, folder, state=JobState.CANCELLED)
    try:
        yield StreamedSource(store.redis, job.id, request_batch(job.id), window=window)
    finally:
        store.forget(job)
        shutil.rmtree(job.folder)


def measure(
    source: StreamedSource, keys: Iterable[BatchKey], seconds_per_batch: float = 0.0
) -> Throughput:
    """Consume ``keys``, like a trainer that needs ``seconds_per_batch`` for each.

    The clock starts with the second batch: the first one also waits for the workers to open the
    corpus.
    """
    batches = source.batches(keys)
    next(batches)
    started, waited = time.monotonic(), source.waited_s
    sizes = []
    for _, payload in batches:
        sizes.append(len(payload))
        time.sleep(seconds_per_batch)
    return Throughput(
        batches=len(sizes),
        payload_bytes=sum(sizes),
        seconds=time.monotonic() - started,
        waited_s=source.waited_s - waited,
    )
