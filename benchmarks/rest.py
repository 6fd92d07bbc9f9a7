"""One-hop subgraphs over HTTP: ``python -m benchmarks.rest [--steady S] [--record]``.

Needs a running home (``bali up``) with a loaded graph. Starts ``bali serve`` and lets 50 clients
ask for subgraphs, each with at most one question under way: of concepts that nobody asked for
before, so that no cache helps, and of popular ones, as people and programs ask for them (Zipf's
law).

First every client asks again as soon as it has its answer: that is as many answers a second as
there can be, and the time to each is the number of clients divided by that. Then the clients pause,
at random, so that all together ask at several rates. There a question's time counts from when it
was due, though its client may have been waiting still: what queues is not left out. The last of
these runs is long. Prints JSON, and records it with a chart.

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
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import accumulate, count, cycle
from statistics import quantiles
from time import perf_counter
from typing import Any

import psutil

from bali_platform.graph import Graph
from benchmarks.chart import stacked_bars
from benchmarks.record import RESULTS, record

POPULAR = 20_000
RATES = (100, 250, 500, 1000)
STEADY_RATE = 500
WARM_UP_S = 20.0  # Java compiles what it runs often
WATCH_EVERY_S = 5.0
PAGE_CACHE = "SHOW SETTINGS 'server.memory.pagecache.size' YIELD value"

Choose = Callable[[], bytes]
"""Returns the next request, whole but for its host."""


@contextmanager
def server() -> Iterator[tuple[int, psutil.Process]]:
    """Run ``bali serve`` and give its port and process."""
    command = [sys.executable, "-m", "bali", "serve", "--port", "0"]
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

    def __init__(self, port: int, choose: Choose, due: float) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._choose = choose
        self._host = f"Host: localhost:{port}\r\n".encode()
        self._answer = b""
        self.due = due

    def ask(self) -> None:
        """Send the next request."""
        self._answer = b""
        line, end, rest = self._choose().partition(b"\r\n")
        self.socket.sendall(line + end + self._host + rest)

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


class Crowd:
    """Clients that ask for a while, each again at once or all ``rate`` times a second."""

    def __init__(
        self, port: int, choose: Choose, clients: int, rate: float, length_s: float
    ) -> None:
        self.seen = Seen()
        self._dice = random.Random(3)
        self._rate = rate / clients
        self._numbers = count()
        start = perf_counter()
        self._end = start + length_s
        self._idle = [
            (due, next(self._numbers), Client(port, choose, due))
            for due in (start + self._pause() for _ in range(clients))
        ]
        heapify(self._idle)

    def ask(self, process: psutil.Process) -> None:
        """Ask until the end, and until all are answered."""
        watched = perf_counter()
        # Not epoll, which rounds waiting times up to milliseconds.
        with selectors.SelectSelector() as selector:
            while self._idle or selector.get_map():
                self._send_due(selector)
                wait = max(0.0, self._idle[0][0] - perf_counter()) if self._idle else None
                for key, _ in selector.select(wait):
                    self._hear(key.data, selector)
                if perf_counter() > watched + WATCH_EVERY_S:
                    self.seen.memory.append(process.memory_info().rss >> 20)
                    watched = perf_counter()

    def _send_due(self, selector: selectors.BaseSelector) -> None:
        now = perf_counter()
        while self._idle and self._idle[0][0] <= now:
            client = heappop(self._idle)[2]
            client.ask()
            selector.register(client.socket, selectors.EVENT_READ, client)

    def _hear(self, client: Client, selector: selectors.BaseSelector) -> None:
        if (answer := client.hear()) is None:
            return
        selector.unregister(client.socket)
        now = perf_counter()
        self.seen.seconds.append(now - client.due)
        self.seen.errors += not answer.startswith(b"HTTP/1.1 200 ")
        client.due = client.due + self._pause() if self._rate else now
        if client.due < self._end:
            heappush(self._idle, (client.due, next(self._numbers), client))
        else:
            client.socket.close()

    def _pause(self) -> float:
        return self._dice.expovariate(self._rate) if self._rate else 0.0


class Bench:
    """A server, and the questions that are put to it."""

    def __init__(
        self, port: int, process: psutil.Process, choices: dict[str, Choose], clients: int
    ) -> None:
        self._port, self._process, self._clients = port, process, clients
        self._choices = choices

    def ask(self, kind: str, length_s: float, rate: float = 0) -> dict[str, Any]:
        """Let the clients ask one kind of question, and return what they saw."""
        processes = (self._process, psutil.Process())
        before = [_busy(process) for process in processes]
        started = perf_counter()
        crowd = Crowd(self._port, self._choices[kind], self._clients, rate, length_s)
        crowd.ask(self._process)
        took = perf_counter() - started
        busy = [_busy(process) - b for process, b in zip(processes, before, strict=True)]
        return _report(crowd.seen, took) | {
            "server_cpu_ms_a_request": round(1000 * busy[0] / len(crowd.seen.seconds), 2),
            "cores_of_server": round(busy[0] / took, 2),
            "cores_of_clients": round(busy[1] / took, 2),
        }

    def both(self, length_s: float, rate: float = 0) -> dict[str, Any]:
        """Ask for new concepts, then, half as long, for popular ones."""
        return {
            "new": self.ask("new", length_s, rate),
            "popular": self.ask("popular", length_s / 2, rate),
        }


def get(address: str) -> bytes:
    """Return a request for an address."""
    return f"GET {address} HTTP/1.1\r\n\r\n".encode()


def _choices(cuis: list[str]) -> dict[str, Choose]:
    dice = random.Random(7)
    popular = dice.sample(cuis, min(POPULAR, len(cuis)))
    weights = list(accumulate(1 / rank for rank in range(1, len(popular) + 1)))
    fresh = cycle(dice.sample(cuis, len(cuis)))  # so long a round that no cache remembers it

    def one_hop(cui: str) -> bytes:
        return get(f"/subgraphs?cui={cui}&hops=1")

    return {
        "new": lambda: one_hop(next(fresh)),
        "popular": lambda: one_hop(dice.choices(popular, cum_weights=weights)[0]),
    }


def _busy(process: psutil.Process) -> float:
    return sum(process.cpu_times()[:2])


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


def run(seconds: float, steady_s: float, clients: int) -> dict[str, Any]:
    """Measure, and return the numbers by name."""
    with Graph.connect() as graph:
        version = graph.version
        cuis = [cui for cui, _ in graph.names()]
        cache = graph.driver.execute_query(PAGE_CACHE).records[0]["value"]
    with server() as (port, process):
        bench = Bench(port, process, _choices(cuis), clients)
        bench.ask("new", WARM_UP_S)
        return {
            "graph": {"version": version, "concepts": len(cuis), "page_cache": cache},
            "clients": clients,
            "without_pause": bench.both(2 * seconds),
            "requests_s": {str(rate): bench.both(seconds, rate) for rate in RATES},
            "steady": {"asked_s": STEADY_RATE} | bench.ask("new", steady_s, STEADY_RATE),
        }


def chart(result: dict[str, Any]) -> str:
    """Draw the times at each rate."""
    bars = {
        f"{kind}\n{rate}/s": {
            "half": seen["p50_ms"],
            "99 of 100": seen["p99_ms"] - seen["p50_ms"],
        }
        for kind in ("new", "popular")
        for rate, both in result["requests_s"].items()
        for seen in (both[kind],)
    }
    title = f"Milliseconds until {result['clients']} clients have their answers, by what they ask"
    return stacked_bars(bars, title)


def main() -> None:
    """Read the options, measure, and print or record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="at each rate")
    parser.add_argument("--steady", type=float, default=600.0, help="seconds of the long run")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--record", action="store_true", help="keep it in benchmarks/results")
    options = parser.parse_args()
    result = run(options.seconds, options.steady, options.clients)
    if options.record:
        record("rest", result)
        (RESULTS / "rest.svg").write_text(chart(result), encoding="utf-8")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
