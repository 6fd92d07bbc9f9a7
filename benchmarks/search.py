"""How long a search and a look at a concept take: ``python -m benchmarks.search``.

Needs a running home (``bali up``) with a loaded graph, best one of a whole release. Searches for
one to four consecutive words of names drawn from the graph, and shows concepts drawn from it,
through the calls behind ``bali concept search`` and ``bali concept show``; then searches for whole
names, and counts how often the first hit bears the name. Writes ``results/search.json``.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from statistics import median, quantiles
from time import perf_counter
from typing import Any

from bali.graph import Graph
from bali_platform.graph.names import name_key
from benchmarks.record import record

QUERIES = 1000
WARM_UP = 100
LONGEST = 4


def drawn(graph: Graph, count: int, chance: random.Random) -> list[tuple[str, str]]:
    """Draw concepts, and one of the names of each."""
    with graph.driver.session() as session:
        known = session.run("MATCH (c:Concept) WHERE c.cui >= '' RETURN c.cui").value()
    concepts = graph.concepts(chance.sample(sorted(known), min(len(known), count)))
    return [(cui, chance.choice(concept.names)) for cui, concept in sorted(concepts.items())]


def some_words(name: str, chance: random.Random) -> str:
    """Return one to four consecutive words of ``name``."""
    words = re.findall(r"\w+", name)
    count = chance.randint(1, LONGEST)
    start = chance.randint(0, max(0, len(words) - count))
    return " ".join(words[start : start + count])


def timed(call: Callable[[str], object], arguments: Sequence[str]) -> dict[str, Any]:
    """Call once with each argument and return the milliseconds that it took."""
    spent = []
    for argument in arguments:
        started = perf_counter()
        call(argument)
        spent.append((1000 * (perf_counter() - started), argument))
    centiles = quantiles((ms for ms, _ in spent), n=100)
    slowest = [f"{argument}: {ms:.0f} ms" for ms, argument in sorted(spent)[-3:]]
    return {
        "calls": len(spent),
        "p50_ms": round(median(ms for ms, _ in spent), 1),
        "p90_ms": round(centiles[89], 1),
        "p99_ms": round(centiles[98], 1),
        "slowest": slowest,
    }


def first_hits(graph: Graph, names: Sequence[str]) -> float:
    """Return the share of names for which the first hit is a concept of that name."""
    found = ((name, graph.search(name, limit=1)) for name in names)
    right = [hits and name_key(hits[0].matched) == name_key(name) for name, hits in found]
    return round(sum(map(bool, right)) / len(right), 4)


def run(seed: int = 1) -> dict[str, Any]:
    """Measure, and return the numbers by name."""
    chance = random.Random(seed)
    with Graph.connect() as graph:
        sample = drawn(graph, WARM_UP + QUERIES, chance)
        chance.shuffle(sample)
        queries = [some_words(name, chance) for _, name in sample]
        cuis = [cui for cui, _ in sample]
        for query, cui in zip(queries[:WARM_UP], cuis[:WARM_UP], strict=True):
            graph.search(query)
            graph.concept(cui)
        return {
            "graph_version": graph.version,
            "search": timed(graph.search, queries[WARM_UP:]),
            "show": timed(graph.concept, cuis[WARM_UP:]),
            "first_hit_bears_the_name": first_hits(graph, [name for _, name in sample[WARM_UP:]]),
        }


if __name__ == "__main__":
    results = run()
    print(json.dumps(results, indent=2, ensure_ascii=False))
    print(record("search", results))
