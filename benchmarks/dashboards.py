"""Many jobs and dashboards: ``python -m benchmarks.dashboards [--jobs N] [--record]``.

Needs a running Redis (``bali up``) that holds no jobs of worth: it fills it with records, starts
``bali serve``, lets 20 dashboards follow the platform while a job reports a step every second, and
times ``/status`` meanwhile. It forgets its jobs at the end. Prints JSON, and records it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
from redis import Redis

from bali_platform.jobs import JobState, JobStore, connect
from benchmarks.record import record
from benchmarks.rest import server

DASHBOARDS = 20
ASKS = 300
CONFIG = {f"section {i}": {f"key {j}": "a value" for j in range(10)} for i in range(10)}


@contextmanager
def filled(store: JobStore, jobs: int) -> Iterator[str]:
    """Put so many ended jobs into ``store``, and give the id of one that runs."""
    with tempfile.TemporaryDirectory() as folder:
        made = [
            store.submit("toy", "t", CONFIG, {}, Path(folder), state=JobState.SUCCEEDED)
            for _ in range(jobs)
        ]
        try:
            yield made[-1].id
        finally:
            for job in made:
                store.forget(job)


@contextmanager
def dashboards(address: str) -> Iterator[list[int]]:
    """Follow the platform in threads; gives how many events each has got."""
    counts = [0] * DASHBOARDS
    over = threading.Event()

    def follow(number: int) -> None:
        with httpx.stream("GET", f"{address}/events", timeout=None) as stream:
            for line in stream.iter_lines():
                counts[number] += line.startswith("event")
                if over.is_set():
                    return

    threads = [threading.Thread(target=follow, args=(n,), daemon=True) for n in range(DASHBOARDS)]
    for thread in threads:
        thread.start()
    yield counts
    over.set()


def processor_s(redis: Redis) -> float:
    """Return the processor time that Redis has used, in seconds."""
    used: Any = redis.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


def measure(store: JobStore, job_id: str) -> dict[str, Any]:
    """Time ``/status``, asked ten times a second, while everybody watches."""
    with ExitStack() as stack:
        port, _ = stack.enter_context(server())
        address = f"http://127.0.0.1:{port}"
        counts = stack.enter_context(dashboards(address))
        client = stack.enter_context(httpx.Client(base_url=address))
        client.get("/status")
        began, used, times = time.monotonic(), processor_s(store.redis), []
        for number in range(ASKS):
            if number % 10 == 0:
                store.change(job_id, {"step": number})
            asked = time.perf_counter()
            client.get("/status").raise_for_status()
            times.append(time.perf_counter() - asked)
            time.sleep(max(0.0, 0.1 - times[-1]))
        seconds = time.monotonic() - began
        used = processor_s(store.redis) - used
    hundredths = quantiles(times, n=100)
    return {
        "dashboards": DASHBOARDS,
        "events_each": min(counts),
        "status_p50_ms": round(hundredths[49] * 1000, 1),
        "status_p99_ms": round(hundredths[98] * 1000, 1),
        "redis_cpu_percent": round(100 * used / seconds, 2),
    }


def main() -> None:
    """Measure, print, and record if asked to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    store = JobStore(connect())
    with filled(store, options.jobs) as job_id:
        result = {"jobs": options.jobs, **measure(store, job_id)}
    print(json.dumps(result, indent=2))
    if options.record:
        record("dashboards", result)


if __name__ == "__main__":
    main()
