"""``POST /link``: ``python -m benchmarks.link [--seconds S] [--record]``, two minutes at most.

Needs a running home (``bali up``) with a loaded graph. Starts ``bali serve`` and lets 8 clients
send notes of 1 kB, each again as soon as it has its answer. Then one client sends 10 MB, as one
text and as texts of 10 kB, and the engine links the same in this process. Notes are made of names
of the graph, each of others. Prints JSON; seconds of CPU tell what a busy machine hides.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from statistics import quantiles
from time import perf_counter, process_time
from typing import Any

import psutil

from bali.linking import link
from bali_platform.graph import Graph
from benchmarks.record import record
from benchmarks.rest import server

CLIENTS = 8
WARM_UP_S = 5.0
LARGE = {"one text": 1, "texts of 10 kB": 1_000}
LARGE_BYTES = 10_000_000
BEFORE = ("Denies", "Reports", "Presents with", "No history of", "Started on", "Mother had", "Now")

Write = Callable[[int], str]


def writer(graph: Graph) -> Write:
    """Return what makes notes of so many characters."""
    dice = random.Random(5)
    named = [name for _, names in islice(graph.names(), 20_000) for name in names[:2]]

    def write(size: int) -> str:
        chosen = dice.choices(named, k=size // 20 + 1)
        return "\n".join(f"{dice.choice(BEFORE)} {name}, seen today." for name in chosen)[:size]

    return write


def ask(connection: http.client.HTTPConnection, texts: list[str]) -> tuple[float, int]:
    """Send texts, and return the seconds until the answer was there, and its bytes."""
    body = json.dumps({"texts": texts, "preset": "clinical"}).encode()
    began = perf_counter()
    connection.request("POST", "/v1/link", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    size = len(answer.read())
    if answer.status != 200:
        raise RuntimeError(answer.reason)
    return perf_counter() - began, size


def small(port: int, write: Write, seconds: float) -> list[float]:
    """Let the clients ask for a while, and return the seconds of each request."""
    notes = [[write(1_000)] for _ in range(1_000)]

    def client(number: int) -> list[float]:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        took: list[float] = []
        while perf_counter() < end:
            took.append(ask(connection, notes[(number * 125 + len(took)) % len(notes)])[0])
        return took

    end = perf_counter() + seconds
    with ThreadPoolExecutor(CLIENTS) as pool:
        return [one for took in pool.map(client, range(CLIENTS)) for one in took]


def large(port: int, process: psutil.Process, graph: Graph, texts: list[str]) -> dict[str, Any]:
    """Send one large body; say how long it took, beside the engine, and what memory was needed."""
    before = _busy(process)
    took, size = ask(http.client.HTTPConnection("127.0.0.1", port), texts)
    busy, began, ours = _busy(process) - before, perf_counter(), process_time()
    link(texts, "clinical", graph)
    return {
        "seconds": round(took, 1),
        "cpu_s": round(busy, 1),
        "engine_seconds": round(perf_counter() - began, 1),
        "engine_cpu_s": round(process_time() - ours, 1),
        "answer_mb": round(size / 1e6, 1),
        "server_peak_mib": _peak_mib(process),
    }


def _busy(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


def _peak_mib(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def run(seconds: float) -> dict[str, Any]:
    """Measure, and return the numbers by name."""
    with Graph.connect() as graph, server() as (port, process):
        write = writer(graph)
        small(port, write, WARM_UP_S)
        before = _busy(process)
        took = small(port, write, seconds)
        cpu_ms = 1000 * (_busy(process) - before) / len(took)
        centiles = quantiles(took, n=100)
        return {
            "graph": graph.version,
            "clients": CLIENTS,
            "requests_s": round(len(took) / seconds),
            **{f"p{p}_ms": round(1000 * centiles[p - 1], 1) for p in (50, 90, 99)},
            "cpu_ms_a_request": round(cpu_ms, 2),
            "server_peak_mib": _peak_mib(process),
            "body_of_10_mb": {
                name: large(port, process, graph, [write(LARGE_BYTES // n) for _ in range(n)])
                for name, n in LARGE.items()
            },
        }


def main() -> None:
    """Read the options, measure, and print or record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--record", action="store_true", help="keep it in benchmarks/results")
    options = parser.parse_args()
    result = run(options.seconds)
    if options.record:
        record("link", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
