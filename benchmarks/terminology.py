"""How fast the terminology answers: look-ups, subsumption, maps, expansions, searches.

``python -m benchmarks.terminology --source MSH --target NCI`` asks the live graph, in one process:
first each question alone, 500 a second and searches 50 a second (milliseconds from when it was due
to its answer, at the 50th and 99th percentile), then in batches of 1,000 (a second), and writes
``results/terminology.json``.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from bali_platform.graph import Graph
from bali_platform.terminology import Terminology
from bali_platform.terminology.warming import warm_up
from benchmarks.record import record

BATCH = 1_000
RATE = 500
SEARCHES = 50
CLIENTS = 4


def main() -> None:
    """Measure, print, and write the result."""
    arguments = _arguments()
    with Graph.connect() as graph:
        result = measure(Terminology(graph), arguments)
    record("terminology", result)
    print(json.dumps(result, indent=2))


def measure(terms: Terminology, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked of which graph, and the times."""
    rng = random.Random(arguments.seed)  # noqa: S311
    warming = _seconds(lambda: warm_up(terms))
    source = terms.source(arguments.source)
    codes = terms.graph.query("code_all", source=source)[0]["codes"]
    asked = [f"{source}:{code}" for code in rng.choices(codes, k=arguments.questions)]
    pairs = [(a, rng.choice(asked)) for a in asked]
    names = [code.name for code in terms.resolve_codes(asked[:BATCH])]
    targets = [arguments.target]
    single: dict[str, tuple[Callable[[Any], object], Sequence[Any], int]] = {
        "look up": (terms.resolve_code, asked, RATE),
        "validate": (lambda code: terms.validate([code]), asked, RATE),
        "subsumes": (lambda pair: terms.subsumes(*pair), pairs, RATE),
        "translate": (lambda code: list(terms.map_codes([code], None, targets)), asked, RATE),
        "search": (terms.find, names, SEARCHES),
        "search with filters": (lambda name: terms.find(name, sources=[source]), names, SEARCHES),
    }
    whole = rng.choices(codes, k=arguments.mapped)
    expression = f"{source}:*"
    return {
        "release": terms.release,
        "source": source,
        "codes": len(codes),
        "questions": arguments.questions,
        "seconds_to_warm_up": round(warming, 2),
        "milliseconds": {
            f"{name}, {rate} a second": _percentiles(ask, some[: arguments.questions], rate)
            for name, (ask, some, rate) in single.items()
        },
        "per_second_in_batches": {
            "look up": _rate(terms.resolve, asked),
            "validate": _rate(terms.validate, asked),
            "subsumes": _rate(terms.subsumes_each, pairs),
            "translate": _rate(lambda part: list(terms.map_codes(part, None, targets)), asked),
        },
        "seconds": {
            f"map {len(whole)} codes": _seconds(
                lambda: list(terms.map_codes(whole, source, targets))
            ),
            f"expand {expression}": _seconds(lambda: terms.expand(expression, limit=10_000)),
        },
    }


def _percentiles(ask: Callable[[Any], object], asked: Sequence[Any], rate: int) -> dict[str, float]:
    begun = time.perf_counter()

    def answer(place: int) -> float:
        due = begun + place / rate
        time.sleep(max(0.0, due - time.perf_counter()))
        ask(asked[place])
        return time.perf_counter() - due

    with ThreadPoolExecutor(CLIENTS) as pool:
        times = sorted(pool.map(answer, range(len(asked))))
    places = {"p50": len(times) // 2, "p99": len(times) * 99 // 100}
    return {name: round(1_000 * times[place], 2) for name, place in places.items()}


def _rate(ask: Callable[[Any], object], asked: Sequence[Any]) -> float:
    parts = [asked[at : at + BATCH] for at in range(0, len(asked), BATCH)]
    return round(len(asked) / sum(_seconds(lambda part=part: ask(part)) for part in parts))  # type: ignore[misc]


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="MSH", help="whose codes are asked for")
    parser.add_argument("--target", default="NCI", help="the vocabulary to map to")
    parser.add_argument("--questions", type=int, default=1_000)
    parser.add_argument("--mapped", type=int, default=100_000, help="codes of the large map")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
