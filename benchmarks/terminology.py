"""How fast the terminology answers: look-ups, subsumption, maps, expansions, searches.

``python -m benchmarks.terminology --source MSH --target NCI [--record [NAME]]`` needs a running
home (``bali up``) with a loaded graph. It starts ``bali serve``, and 20 clients ask one question at
a time, all together 500 a second, and 50 searches: the time counts from when a question was due.
Every kind is asked in turn, cold, and then all of them once more, warm: Java compiles meanwhile
what it runs often. No code is asked for twice before all were. Then this process asks in batches of
1,000. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle, islice
from typing import Any
from urllib.parse import urlencode

from bali_platform.api.fhir.naming import system_of
from bali_platform.graph import Graph
from bali_platform.terminology import Terminology
from bali_platform.terminology.warming import warm_up
from benchmarks.record import record
from benchmarks.rest import Bench, Choose, get, server

BATCH = 1_000
RATE = 500
SEARCHES = 50
CLIENTS = 20
SHOWN = (
    *("requests", "errors", "p50_ms", "p99_ms"),
    *("server_cpu_ms_a_request", "cores_of_server", "cores_of_clients"),
)


def main() -> None:
    """Measure, print, and keep the result if that is asked for."""
    arguments = _arguments()
    with Graph.connect() as graph:
        terms = Terminology(graph)
        source, target = terms.source(arguments.source), terms.source(arguments.target)
        codes = graph.query("code_all", source=source)[0]["codes"]
        random.Random(1).shuffle(codes)
        result = {
            "release": terms.release,
            "source": source,
            "codes": len(codes),
            "one_by_one": singly(_choices(terms, source, target, codes), arguments.seconds),
            **in_batches(terms, source, target, codes),
        }
    if arguments.record:
        record(arguments.record, result)
    print(json.dumps(result, indent=2))


def singly(choices: dict[str, Choose], seconds: float) -> dict[str, dict[str, Any]]:
    """Return what clients of a server saw, cold and warm, by what they asked at which rate."""
    found: dict[str, dict[str, Any]] = {"cold": {}, "warm": {}}
    with server() as (port, process):
        bench = Bench(port, process, choices, CLIENTS)
        for of_round in found.values():
            for kind in choices:
                rate = SEARCHES if "search" in kind else RATE
                seen = bench.ask(kind, seconds, rate)
                of_round[f"{kind}, {rate} a second"] = {name: seen[name] for name in SHOWN}
    return found


def in_batches(terms: Terminology, source: str, target: str, codes: list[str]) -> dict[str, Any]:
    """Return codes a second in batches, and the seconds of what is large."""
    warm_up(terms)
    rng = random.Random(2)
    fresh = iter([f"{source}:{code}" for code in codes])
    first, second, third, fourth = ([*islice(fresh, 5 * BATCH)] for _ in range(4))
    pairs = [(a, rng.choice(third)) for a in third]
    many = rng.choices(codes, k=100_000)
    return {
        "per_second_in_batches": {
            "look up": _rate(terms.resolve, first),
            "validate": _rate(terms.validate, second),
            "subsumes": _rate(terms.subsumes_each, pairs),
            "translate": _rate(lambda part: list(terms.map_codes(part, None, [target])), fourth),
        },
        "seconds": {
            f"map {len(many)} codes": _seconds(
                lambda: list(terms.map_codes(many, source, [target]))
            ),
            f"expand {source}:*": _seconds(lambda: terms.expand(f"{source}:*", limit=10_000)),
        },
    }


def _choices(terms: Terminology, source: str, target: str, codes: list[str]) -> dict[str, Choose]:
    fresh = cycle(codes)
    names = _names(terms, source, codes)
    fhir = {"system": system_of(terms, source)}

    def code() -> str:
        return f"{source}:{next(fresh)}"

    def ask(path: str, **parameters: str) -> bytes:
        return get(f"{path}?{urlencode(parameters)}")

    return {
        "look up": lambda: ask("/v1/codes", code=code()),
        "validate": lambda: _post("/v1/codes/validate", codes=[code()]),
        "subsumes": lambda: ask("/v1/codes/subsumes", a=code(), b=code()),
        "translate": lambda: _post("/v1/codes/map", codes=[code()], targets=[target]),
        "FHIR look up": lambda: ask("/fhir/CodeSystem/$lookup", code=next(fresh), **fhir),
        "FHIR subsumes": lambda: ask(
            "/fhir/CodeSystem/$subsumes", codeA=next(fresh), codeB=next(fresh), **fhir
        ),
        "search": lambda: ask("/v1/concepts", q=next(names)),
        "search with filters": lambda: ask("/v1/concepts", q=next(names), source=source),
    }


def _names(terms: Terminology, source: str, codes: list[str]) -> Iterator[str]:
    found = terms.resolve_codes(f"{source}:{code}" for code in codes[-2 * BATCH :])
    return cycle([code.name[:200] for code in found])


def _post(path: str, **body: Any) -> bytes:
    content = json.dumps(body).encode()
    head = f"Content-Type: application/json\r\nContent-Length: {len(content)}"
    return f"POST {path} HTTP/1.1\r\n{head}\r\n\r\n".encode() + content


def _rate(ask: Callable[[Any], object], asked: Sequence[Any]) -> float:
    parts = [asked[at : at + BATCH] for at in range(0, len(asked), BATCH)]
    return round(len(asked) / sum(_seconds(partial(ask, part)) for part in parts))


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="MSH", help="whose codes are asked for")
    parser.add_argument("--target", default="NCI", help="the vocabulary to map to")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each kind of question")
    parser.add_argument(
        "--record", nargs="?", const="terminology", help="keep it in benchmarks/results, so called"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
