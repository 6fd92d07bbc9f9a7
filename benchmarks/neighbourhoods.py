"""Neighbourhoods per second, five ways: ``python -m benchmarks.neighbourhoods [--record]``.

Needs a running home (``bali up``) with a loaded graph. Takes turns, several rounds, on the same
random concepts: one Cypher call for each concept with py2neo and with the official driver, then
batches straight from Neo4j, from Redis, and from the cache in the process, with three edges read of
each answer, as a training batch does. Prints JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any

import neo4j

from bali_platform.base.settings import load_settings
from bali_platform.graph import Graph
from bali_platform.graph.py2neo_bridge import connect_py2neo
from bali_platform.subgraphs import (
    MAX_EDGES,
    CachedNeighbourhoods,
    GraphNeighbourhoods,
    NeighbourhoodSource,
    open_cache,
)
from benchmarks.record import record

ONE_CONCEPT = """
MATCH (concept:Concept {cui: $cui})
OPTIONAL MATCH (concept)-[edge]-(neighbour:Concept)
RETURN concept.names[..32] AS names, neighbour.cui AS neighbour, type(edge) AS type,
       startNode(edge) = concept AS outgoing
LIMIT 64
"""
DRAWN = 3

Method = Callable[[Sequence[str]], object]


def one_by_one(session: neo4j.Session) -> Method:
    """Ask the official driver for one concept after another."""
    return lambda cuis: [session.run(ONE_CONCEPT, cui=cui).values() for cui in cuis]


def one_by_one_py2neo() -> Method:
    """Ask py2neo for one concept after another."""
    graph = connect_py2neo(load_settings())
    return lambda cuis: [list(graph.run(ONE_CONCEPT, cui=cui)) for cui in cuis]


def batched(source: NeighbourhoodSource) -> Method:
    """Ask a source for all concepts of a batch at once, and read some edges of each."""

    def ask(cuis: Sequence[str]) -> None:
        for answer in source.neighbourhoods(cuis).found.values():
            for at in range(min(DRAWN, len(answer.edges))):
                answer.edges[at]

    return ask


def check(session: neo4j.Session, source: NeighbourhoodSource, cuis: Sequence[str]) -> None:
    """Make sure that the loop and the batch answer the same, hubs aside."""
    for cui, answer in source.neighbourhoods(cuis).found.items():
        rows = session.run(ONE_CONCEPT, cui=cui).values()
        if len(rows) < MAX_EDGES:
            looped = {tuple(row[1:]) for row in rows if row[1] is not None}
            if looped != {tuple(edge) for edge in answer.edges}:
                raise AssertionError(f"{cui}: the methods disagree")


def rate(method: Method, batches: Iterator[list[str]], seconds: float) -> float:
    """Return the neighbourhoods per second of ``method`` over at least ``seconds``."""
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        batch = next(batches)
        method(batch)
        done += len(batch)
    return done / elapsed


def run(concepts: int, batch: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Measure everything on ``concepts`` random concepts; return the numbers by name."""
    settings = load_settings()
    with Graph.connect(settings) as graph, graph.driver.session() as session:
        known = [cui for cui, _ in graph.names()]
        cuis = random.Random(1).sample(known, min(concepts, len(known)))
        straight = GraphNeighbourhoods(graph)
        check(session, straight, cuis[:200])
        shared = CachedNeighbourhoods(straight, open_cache(settings), local=0)
        local = CachedNeighbourhoods(straight, open_cache(settings), local=len(cuis))
        methods: dict[str, tuple[Method, int]] = {
            "py2neo_loop": (one_by_one_py2neo(), 20),
            "driver_loop": (one_by_one(session), 20),
            "batched": (batched(straight), batch),
            "batched_redis": (batched(shared), batch),
            "batched_local": (batched(local), batch),
        }
        rates: dict[str, list[float]] = {name: [] for name in methods}
        for method, size in methods.values():
            # Warms Neo4j's page cache and plans, and both of our caches.
            warm_up = cuis if size == batch else cuis[:200]
            for start in range(0, len(warm_up), size):
                method(warm_up[start : start + size])
        # What one method keeps is no work for Python's collector while another is measured.
        gc.freeze()
        for _ in range(rounds):
            for name, (method, size) in methods.items():
                rates[name].append(rate(method, _batches(cuis, size), seconds))
        return _report(graph, len(known), len(cuis), batch, rates)


def _batches(cuis: list[str], size: int) -> Iterator[list[str]]:
    endless = cycle(cuis)
    while True:
        yield list(islice(endless, size))


def _report(
    graph: Graph, known: int, asked: int, batch: int, rates: dict[str, list[float]]
) -> dict[str, Any]:
    middle = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "graph": {"version": graph.version, "concepts": known},
        "concepts_asked": asked,
        "batch": batch,
        "neighbourhoods_per_second": {
            name: {"median": round(middle[name]), "rounds": [round(value) for value in values]}
            for name, values in rates.items()
        },
        "batched_over_driver_loop": round(middle["batched"] / middle["driver_loop"], 1),
        "redis_over_batched": round(middle["batched_redis"] / middle["batched"], 1),
        "local_over_batched": round(middle["batched_local"] / middle["batched"], 1),
    }


def main() -> None:
    """Read the options, measure, and print or record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--concepts", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--record", action="store_true", help="keep it in benchmarks/results")
    options = parser.parse_args()
    result = run(options.concepts, options.batch, options.rounds, options.seconds)
    if options.record:
        record("neighbourhoods", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
