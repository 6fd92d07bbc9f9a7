"""One-hop subgraphs over HTTP: ``python -m benchmarks.rest [--seconds S] [--record]``.

Needs a running home (``bali up``) with a loaded graph. Starts ``bali serve`` and lets each of 50
clients ask for the next subgraph as soon as it has one: first for concepts that nobody asked for
before, so that no cache helps, then for popular ones, as people and programs ask for them (Zipf's
law). Prints JSON.

The clients share the machine with the server and Neo4j, so they are one thread around ``select``.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import selectors
import socket
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate, cycle
from statistics import quantiles
from typing import Any

import psutil

from bali_platform.graph import Graph
from benchmarks.record import record

POPULAR = 20_000
WARM_UP_S = 20.0  # Java compiles what it runs often
WATCH_EVERY_S = 5.0

Choose = Callable[[], str]


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


class Client:
    """One connection, with at most one request under way."""

    def __init__(self, port: int, choose: Choose) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._choose = choose
        self._host = f" HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
        self._answer = b""
        self.sent = 0.0

    def ask(self) -> None:
        """Send the next request."""
        self._answer = b""
        self.sent = time.perf_counter()
        self.socket.sendall(f"GET /subgraphs?cui={self._choose()}&hops=1{self._host}".encode())

    def hear(self) -> bytes | None:
        """Take what has arrived; return the answer once it is complete."""
        arrived = self.socket.recv(2**18)
        if not arrived:
            raise ConnectionError("the server hung up")
        self._answer += arrived
        head = self._answer.find(b"\r\n\r\n")
        if head < 0:
            return None
        start = self._answer.find(b"content-length: ", 0, head) + 16
        length = int(self._answer[start : self._answer.find(b"\r", start)])
        return self._answer if len(self._answer) >= head + 4 + length else None


@dataclass
class Seen:
    """What the clients saw."""

    seconds: array[float] = field(default_factory=lambda: array("d"))
    errors: int = 0
    memory: list[int] = field(default_factory=list)

    def hear(self, client: Client) -> bool:
        """Let a client go on reading; whether its answer is complete."""
        if (answer := client.hear()) is None:
            return False
        self.seconds.append(time.perf_counter() - client.sent)
        self.errors += not answer.startswith(b"HTTP/1.1 200 ")
        return True


def load(
    port: int, process: psutil.Process, choose: Choose, length_s: float, clients: int
) -> dict[str, Any]:
    """Let so many clients ask at once, and return what they saw."""
    seen = Seen()
    own = psutil.Process()
    busy = [sum(p.cpu_times()[:2]) for p in (process, own)]
    started = watched = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for _ in range(clients):
            client = Client(port, choose)
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.ask()
        while selector.get_map():
            now = time.perf_counter()
            for key, _ in selector.select():
                if seen.hear(key.data):
                    if now < started + length_s:
                        key.data.ask()
                    else:
                        selector.unregister(key.fileobj)
                        key.data.socket.close()
            if now > watched + WATCH_EVERY_S:
                seen.memory.append(process.memory_info().rss >> 20)
                watched = now
    took = time.perf_counter() - started
    busy = [sum(p.cpu_times()[:2]) - before for p, before in zip((process, own), busy, strict=True)]
    return _report(seen, took) | {
        "cores_of_server": round(busy[0] / took, 2),
        "cores_of_clients": round(busy[1] / took, 2),
    }


def _report(seen: Seen, took: float) -> dict[str, Any]:
    centiles = quantiles(seen.seconds, n=1000)
    half = len(seen.memory) // 2
    return {
        "seconds": round(took),
        "requests": len(seen.seconds),
        "errors": seen.errors,
        "requests_s": round(len(seen.seconds) / took),
        **{f"p{p / 10:g}_ms": round(1000 * centiles[p - 1], 1) for p in (500, 900, 990, 999)},
        "longest_ms": round(1000 * max(seen.seconds), 1),
        "server_memory_mib": seen.memory[:: max(1, len(seen.memory) // 10)],
        "grown_in_second_half_mib": seen.memory[-1] - seen.memory[half] if seen.memory else None,
    }


def run(new_s: float, popular_s: float, clients: int) -> dict[str, Any]:
    """Measure, and return the numbers by name."""
    with Graph.connect() as graph:
        version = graph.version
        cuis = [cui for cui, _ in graph.names()]
    rng = random.Random(7)  # noqa: S311
    rng.shuffle(cuis)
    popular = cuis[-POPULAR:]
    weights = list(accumulate(1 / rank for rank in range(1, len(popular) + 1)))
    fresh = cycle(cuis)  # so long a round that no cache remembers it
    with server() as (port, process):

        def new() -> str:
            return next(fresh)

        def often() -> str:
            return rng.choices(popular, cum_weights=weights)[0]

        load(port, process, new, WARM_UP_S, clients)
        return {
            "graph": {"version": version, "concepts": len(cuis)},
            "clients": clients,
            "new": load(port, process, new, new_s, clients),
            "popular": load(port, process, often, popular_s, clients),
        }


def main() -> None:
    """Read the options, measure, and print or record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of questions never asked")
    parser.add_argument("--popular", type=float, default=30.0, help="seconds of popular ones")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--record", action="store_true", help="keep it in benchmarks/results")
    options = parser.parse_args()
    result = run(options.seconds, options.popular, options.clients)
    if options.record:
        record("rest", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
