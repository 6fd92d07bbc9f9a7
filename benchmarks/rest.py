"""One-hop subgraphs over HTTP: ``python -m benchmarks.rest [SECONDS] [CLIENTS]``.

Needs a running home (``bali up``) with a loaded graph. Starts ``bali serve`` and lets each client
ask for the next subgraph as soon as it has one, first for concepts that were not asked for before,
then for popular ones, as people and programs ask for them (Zipf's law). Prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import accumulate
from statistics import quantiles
from typing import Any

import psutil

from bali_platform.graph import Graph

POPULAR = 20_000


@contextmanager
def server() -> Iterator[tuple[int, psutil.Process]]:
    """Run ``bali serve`` and give its port and process."""
    command = [sys.executable, "-m", "bali_platform", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            told = process.stderr.readline() if process.stderr else ""
            found = re.search(r":(\d+)/", told)
            if found is None:
                raise RuntimeError(told)
            yield int(found[1]), psutil.Process(process.pid)
        finally:
            process.terminate()


async def client(port: int, choose: Callable[[], str], until: float, seconds: list[float]) -> int:
    """Ask until the time is over; return the number of answers other than 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    errors = 0
    while (started := time.perf_counter()) < until:
        path = f"/subgraphs?cui={choose()}&hops=1"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        seconds.append(time.perf_counter() - started)
        errors += b" 200 " not in head.split(b"\r\n", 1)[0]
    writer.close()
    return errors


async def load(
    port: int, choose: Callable[[], str], length_s: float, clients: int
) -> dict[str, Any]:
    """Let so many clients ask at once, and return what they saw."""
    seconds: list[float] = []
    started = time.perf_counter()
    until = started + length_s
    errors = await asyncio.gather(*(client(port, choose, until, seconds) for _ in range(clients)))
    centiles = quantiles(seconds, n=1000)
    return {
        "requests": len(seconds),
        "errors": sum(errors),
        "requests_s": round(len(seconds) / (time.perf_counter() - started)),
        **{f"p{p / 10:g}_ms": round(1000 * centiles[p - 1], 1) for p in (500, 900, 990, 999)},
    }


def run(length_s: float = 60.0, clients: int = 50) -> dict[str, Any]:
    """Measure, and return the numbers by name."""
    with Graph.connect() as graph:
        cuis = [cui for cui, _ in graph.names()]
    shuffled = random.Random(7)  # noqa: S311
    shuffled.shuffle(cuis)
    fresh = iter(cuis)
    popular = cuis[-POPULAR:]
    weights = list(accumulate(1 / rank for rank in range(1, len(popular) + 1)))
    result: dict[str, Any] = {"concepts": len(cuis), "clients": clients, "seconds": length_s}
    with server() as (port, process):
        asyncio.run(load(port, lambda: next(fresh, cuis[0]), 2.0, clients))
        choices = {
            "new": lambda: next(fresh, cuis[0]),
            "popular": lambda: shuffled.choices(popular, cum_weights=weights)[0],
        }
        for name, choose in choices.items():
            before = process.memory_info().rss
            result[name] = asyncio.run(load(port, choose, length_s, clients))
            result[name]["memory_grew_mib"] = (process.memory_info().rss - before) >> 20
    return result


def main() -> None:
    """Measure for so many seconds with so many clients, and print JSON."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    clients = int(sys.argv[2]) if len(sys.argv) > 2 else 50
    print(json.dumps(run(seconds, clients), indent=2))


if __name__ == "__main__":
    main()
