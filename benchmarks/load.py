"""``bali load`` beside the bare import tool: ``python -m benchmarks.load RELEASE...``.

For each release folder (``bali release synthetic`` makes them in any size): loads it into the home,
with a Neo4j serving all the while, measuring each step; verifies it again as ``bali verify`` does;
then imports the very same files with ``neo4j-admin database import full`` and nothing else, and
builds the same indexes; last, what no load can do without besides: the columns that it needs of the
two large files, read by DuckDB and only counted, and a Neo4j started and stopped. Nothing waits for
the disk to read: the release was just read, as after unpacking, the import files were just written.
Writes ``results/load.json`` and the chart ``results/load.svg``. The home (``BALI_HOME``, better one
of its own) is left with the last release live and nothing running.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from bali_loaders.releases import Release
from bali_loaders.releases.rrf import scan_sql
from bali_loaders.umls import LoadOptions, load, verify
from bali_loaders.umls.bulk import import_arguments
from bali_loaders.umls.schema import create_schema
from bali_loaders.umls.transform.tables import READ
from bali_platform import services
from bali_platform.base.settings import Settings, load_settings
from bali_platform.services import GraphStores
from benchmarks.chart import stacked_bars
from benchmarks.meter import Measured, Meter, StepMeter
from benchmarks.record import RESULTS, record

MILLION = 1_000_000

T = TypeVar("T")

# The step that begins each phase.
PHASES = {
    "import": "import",
    "build indexes": "indexes",
    "count rows": "verify",
    "read evidence from the release": "verify",
    "switch to the new graph": "switch",
}


def measure(release: Path) -> dict[str, Any]:
    """Measure one release, in a process that does nothing else; return the numbers by name."""
    settings = load_settings()
    files = settings.home / "benchmark"
    shutil.rmtree(files, ignore_errors=True)
    stores = GraphStores(settings)
    read_once(release)
    stores.serve()
    try:
        with Meter() as meter:
            result = measure_load(release, settings, files, meter)
            with stores.server().driver() as driver, Release.open(release) as opened:
                again = StepMeter(meter, {})
                with meter.measure() as whole:
                    verification = verify(driver, opened, reporter=again)
            result["verify"] = described(whole, again.steps) | {"checked": verification.checked}
            services.down(settings)
            result["bare"] = measure_bare(files, settings, meter)
            result["floor"] = measure_floor(release, files, settings, meter)
    finally:
        services.down(settings)
        shutil.rmtree(files, ignore_errors=True)
    result["load_over_bare"] = round(result["load"]["seconds"] / result["bare"]["seconds"], 2)
    return result


def read_once(release: Path) -> None:
    """Read every byte, so that what follows does not wait for the disk."""
    for path in release.rglob("*"):
        if path.is_file():
            with path.open("rb") as stream:
                hashlib.file_digest(stream, "blake2b")


def measure_load(release: Path, settings: Settings, files: Path, meter: Meter) -> dict[str, Any]:
    """Load a release, and keep its import files in ``files``."""
    reporter = StepMeter(meter, {"import": lambda: keep_import_files(settings.home, files)})
    with meter.measure() as whole:
        loaded = load(release, LoadOptions(), settings, force=True, reporter=reporter)
    report = loaded.report
    rows = sum(map(report.rows, report.files))
    return {
        "release": report.release,
        "graph_version": report.graph_version,
        "rows": rows,
        "rows_by_file": {name: report.rows(name) for name in report.files},
        "rrf_mb": sum(path.stat().st_size for path in release.rglob("*")) // MILLION,
        "import_files_mb": sum(path.stat().st_size for path in files.iterdir()) // MILLION,
        "nodes": report.nodes,
        "relationships": sum(report.relationships.values()),
        "load": described(whole, reporter.steps),
        "transform_peak_mb": max(
            step.own_mb for step, phase in by_phase(reporter.steps) if phase == "transform"
        ),
        "seconds_per_million_rows": round(whole.seconds / rows * MILLION, 2),
    }


def keep_import_files(home: Path, files: Path) -> None:
    """Link the import files of the load under way, which deletes them when it is done."""
    files.mkdir()
    for path in (home / "loads").glob("*/*.csv"):
        os.link(path, files / path.name)


def measure_bare(files: Path, settings: Settings, meter: Meter) -> dict[str, Any]:
    """Import ``files`` into a home of their own and build the indexes, with nothing around it."""
    stores = GraphStores(settings.model_copy(update={"home": files / "home"}))
    steps = StepMeter(meter, {})
    with meter.measure() as whole:
        store = stores.create("bare")
        with steps.step("import"):
            stores.import_full(store, import_arguments(files))
    with stores.staging(store) as driver, meter.measure(whole):
        create_schema(driver, steps)
    return described(whole, steps.steps)


def measure_floor(release: Path, files: Path, settings: Settings, meter: Meter) -> dict[str, Any]:
    """Measure what a load cannot do without besides the bare import."""
    stores = GraphStores(settings.model_copy(update={"home": files / "home"}))
    store = stores.create("floor")
    steps = StepMeter(meter, {})
    with meter.measure() as whole:
        with steps.step("parse MRCONSO and MRREL"):
            parse(release)
        with steps.step("start and stop Neo4j"), stores.staging(store):
            pass
    return described(whole, steps.steps)


def parse(release: Path) -> None:
    """Read the columns that a load needs of the two large files, and only count their values."""
    with Release.open(release) as opened, duckdb.connect() as database:
        for name in ("MRCONSO", "MRREL"):
            rows = scan_sql(opened.local(name), opened.files[name].columns)
            needed = (duckdb.ColumnExpression(column) for column in (READ[name] or "").split())
            counts = [duckdb.FunctionExpression("count", column) for column in needed]
            database.sql(f"FROM {rows}").aggregate(counts).fetchall()


def described(whole: Measured, steps: Mapping[str, Measured]) -> dict[str, Any]:
    """Return the numbers of a run and of its steps as plain data."""
    return asdict(whole) | {"steps": {title: asdict(step) for title, step in steps.items()}}


def by_phase(steps: Mapping[str, T]) -> Iterator[tuple[T, str]]:
    """Yield each step with the phase that it belongs to."""
    phase = "transform"
    for title, step in steps.items():
        phase = PHASES.get(title, phase)
        yield step, phase


def per_million_rows(run: Mapping[str, Any], rows: int) -> dict[str, float]:
    """Return the seconds per million rows of each phase of a run."""
    found: dict[str, float] = dict.fromkeys(("transform", *PHASES.values()), 0.0)
    for step, phase in by_phase(run["steps"]):
        found[phase] += step["seconds"] / rows * MILLION
    found["other"] = run["seconds"] / rows * MILLION - sum(found.values())
    return found


def chart(results: list[dict[str, Any]]) -> str:
    """Draw the seconds per million rows of every load and bare import."""
    bars = {
        f"{kind}\n{result['rows'] / MILLION:.1f} M rows": per_million_rows(
            result[kind], result["rows"]
        )
        for result in results
        for kind in ("load", "bare")
    }
    return stacked_bars(bars, "seconds per million rows of the release")


def main() -> None:
    """Measure the releases named on the command line; write what there is after each of them."""
    results: list[dict[str, Any]] = []
    for release in map(Path, sys.argv[1:]):
        print(release, flush=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            results.append(alone.submit(measure, release).result())
        path = record("load", {"releases": results})
        (RESULTS / "load.svg").write_text(chart(results), encoding="utf-8")
        seconds, ratio = results[-1]["load"]["seconds"], results[-1]["load_over_bare"]
        print(f"{results[-1]['rows']:,} rows: {seconds} s, {ratio} x the bare import; {path}")


if __name__ == "__main__":
    main()
