"""From one edition of a release to the next: ``python -m benchmarks.upgrade OLD NEW``.

Loads the release folder OLD into the home (``BALI_HOME``, better one of its own), unless it is live
already, adds properties to a share of its concepts, and upgrades to NEW, while a client in another
process asks for a concept all the time: the longest it has to wait for an answer is the pause of
the live graph. Then it rolls back, with the same client. Writes ``results/upgrade.json``. The home
is left with OLD live and nothing running.

For releases of the UMLS's size:

    bali release synthetic releases/old --concepts 3400000
    bali release synthetic releases/new --concepts 3400000 --edition 1
    BALI_HOME=releases/home python -m benchmarks.upgrade releases/old releases/new
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import neo4j
from neo4j.exceptions import DriverError, Neo4jError

from bali_loaders.umls import LoadOptions, UpgradeReport, load, upgrade
from bali_platform import services
from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings, load_settings
from bali_platform.services import GraphStores, neo4j_login
from bali_platform.services.neo4j_server import connect_neo4j
from benchmarks.meter import Meter, StepMeter
from benchmarks.record import record

MEGABYTE = 1_000_000
QUESTION = "MATCH (c:Concept {cui: $cui})-[e]-(other:Concept) RETURN c.name, other.name LIMIT 10"
ADD = """
MATCH (c:Concept) WHERE c.cui ENDS WITH '7'
CALL (c) { SET c.my_note = 'seen ' + c.cui, c:MyChoice } IN TRANSACTIONS OF 10000 ROWS
RETURN count(c) AS concepts
"""


def ask_all_the_time(settings: Settings, cuis: list[str], pipe: Connection) -> None:
    """Ask until told to stop; send back what was seen: a client in a process of its own."""
    seen: dict[str, float] = {"answers": 0, "failures": 0, "longest_wait_s": 0.0}
    pipe.send("ready")
    answered = time.monotonic()
    while not pipe.poll():
        try:
            at = neo4j_login(settings)
            with connect_neo4j(at.neo4j_uri, at.neo4j_user, at.neo4j_password) as driver:
                while not pipe.poll():
                    cui = cuis[int(seen["answers"]) % len(cuis)]
                    with driver.session() as session:
                        session.run(QUESTION, cui=cui).consume()
                    now = time.monotonic()
                    seen["longest_wait_s"] = max(seen["longest_wait_s"], now - answered)
                    seen["answers"] += 1
                    answered = now
        except (BaliError, DriverError, Neo4jError):
            seen["failures"] += 1
            time.sleep(0.01)
    pipe.send({name: round(number, 2) for name, number in seen.items()})


@contextmanager
def client(settings: Settings, cuis: list[str]) -> Iterator[Callable[[], dict[str, float]]]:
    """Let a client ask; the function given stops it and returns what it saw."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=ask_all_the_time, args=(settings, cuis, theirs), daemon=True)
    process.start()
    theirs.close()
    ours.recv()

    def stop() -> dict[str, float]:
        ours.send("stop")
        seen: dict[str, float] = ours.recv()
        return seen

    try:
        yield stop
    finally:
        process.kill()
        process.join()


def prepare(old: Path, settings: Settings, stores: GraphStores) -> tuple[list[str], int]:
    """Serve the old release; return some CUIs, and of how many concepts there are additions."""
    load(old, LoadOptions(), settings)
    stores.serve()
    with stores.server().driver() as driver, driver.session() as session:
        added = session.run(ADD).single(strict=True)["concepts"]
        return concepts(driver), added


def concepts(driver: neo4j.Driver) -> list[str]:
    """Return some CUIs with few relations each, spread over the graph."""
    found = driver.execute_query(
        "MATCH (c:Concept) WHERE c.sampled_edges IS NULL AND c.cui ENDS WITH '3' "
        "RETURN c.cui AS cui LIMIT 20000"
    )
    return [record["cui"] for record in found.records]


def run(old: Path, new: Path) -> dict[str, Any]:
    """Measure, and return the numbers by name."""
    settings = load_settings()
    stores = GraphStores(settings)
    cuis, added = prepare(old, settings, stores)
    with Meter() as meter, client(settings, cuis) as stop:
        reporter = StepMeter(meter, {})
        with meter.measure() as whole:
            done = upgrade(new, settings, reporter=reporter)
        seen = stop()
    with client(settings, cuis) as stop:
        stores.rollback()
        seen_rolling_back = stop()
    services.down(settings)
    if done.report is None:
        raise BaliError(f"{new} is live already: name the old release first")
    return {
        "additions": added,
        "pause_s": seen["longest_wait_s"],
        "pause_of_rollback_s": seen_rolling_back["longest_wait_s"],
        "client": seen,
        "client_rolling_back": seen_rolling_back,
        "upgrade": asdict(whole) | {"steps": {t: asdict(s) for t, s in reporter.steps.items()}},
        "disk_mb": disk(settings, done.store),
        "report": summary(done.report),
    }


def disk(settings: Settings, store: str) -> dict[str, int]:
    """Return what the new graph takes, and what of it is kept for the next comparison."""
    folder = settings.home / "neo4j" / "graphs" / store
    return {
        "graph": size(folder / "data"),
        **{f"contents/{path.stem}": size(path) for path in sorted((folder / "contents").iterdir())},
    }


def size(path: Path) -> int:
    """Return the megabytes of a file or a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) // MEGABYTE


def summary(report: UpgradeReport) -> dict[str, Any]:
    """Return the numbers of the report, sources apart."""
    changes = report.changes.model_dump(exclude={"sources"})
    return changes | {"carried": report.carried.model_dump()}


def main() -> None:
    """Measure the releases named on the command line and write the results."""
    result = run(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"pause {result['pause_s']} s, upgrade {result['upgrade']['seconds']} s")
    print(record("upgrade", result))


if __name__ == "__main__":
    main()
