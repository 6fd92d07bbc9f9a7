"""Release -> live graph: transform, import into a new store, index, verify, switch."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import neo4j

from bali_loaders.umls.bulk import import_arguments
from bali_loaders.umls.options import LoadOptions, check_choices
from bali_loaders.umls.preparation import REPORT, load_report, opened, save_report, transformed
from bali_loaders.umls.report import Report
from bali_loaders.umls.schema import create_schema, write_release
from bali_loaders.umls.stopwatch import Stopwatch
from bali_loaders.umls.transform import Limits, graph_version
from bali_loaders.umls.transform.contents import CONTENTS
from bali_loaders.umls.transform.tables import check_complete
from bali_loaders.umls.verification.verify import Collected, collect, examine
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings
from bali_platform.services import GraphStore, GraphStores

BeforeSwitch = Callable[[GraphStore, Report, neo4j.Driver], None]

PERCENT = re.compile(r" (\d+)% ")
PHASES = 4
SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Loaded:
    """The store that is live now, its report, and whether it was live before."""

    store: str
    report: Report
    already_live: bool


def load(
    path: Path,
    options: LoadOptions,
    settings: Settings,
    *,
    limits: Limits | None = None,
    force: bool = False,
    before_switch: BeforeSwitch = lambda store, report, staged: None,
    reporter: Reporter = QUIET,
) -> Loaded:
    """Make the release at ``path`` the live graph of the local Neo4j.

    The old graph serves until the new one is complete and verified, and is kept for
    :meth:`GraphStores.rollback`. A load that was killed goes on from its import files. A graph that
    is live already is left as it is, unless ``force``. ``before_switch`` is called with the new
    store, its report and a driver of the Neo4j that stages it, as the last thing before the switch.

    Raises :class:`UsageError` where ``path`` is no release or the server is not a local one, and
    :class:`BaliError` where the release is damaged or the graph does not agree with it.
    """
    clock = Stopwatch(reporter)
    stores = GraphStores(settings, clock)
    with stores.loading(), opened(path, settings.home / "loads" / "unpacked", clock) as release:
        check_complete(release, options)
        check_choices(release, options)
        version = graph_version(release, options, clock)
        name = f"{re.sub(r'[^A-Za-z0-9]', '', release.version) or 'release'}-{version}"
        files = settings.home / "loads" / name
        live = stores.live_store()
        if live and live.name in _names(name) and not force:
            _clear(files)
            return Loaded(live.name, load_report(live.folder / REPORT), already_live=True)
        report = transformed(release, options, files, version, limits, clock)
        taken = live.name if live else None
        store = stores.create(next(free for free in _names(name) if free != taken))
        with ThreadPoolExecutor(max_workers=1) as beside:
            evidence = beside.submit(collect, release, report, sample=SAMPLE)
            _import(stores, store, files, clock)
            with clock.step("read evidence from the release"):
                collected = evidence.result()
        shutil.copytree(files / CONTENTS, store.folder / CONTENTS)
        with stores.staging(store) as driver:
            create_schema(driver, clock)
            _verified(driver, collected, clock)
            before_switch(store, report, driver)
        save_report(report, store.folder / REPORT)
        with clock.step("switch to the new graph"):
            stores.activate(store)
        stores.prune()
        _clear(settings.home / "loads")
    return Loaded(store.name, report, already_live=False)


def _clear(folder: Path) -> None:
    """Remove import files, first of all what says that they are whole."""
    for report in list(folder.rglob(REPORT)):
        report.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _names(name: str) -> tuple[str, str]:
    """Return the names a graph's store may have: a live one cannot be rebuilt under its own."""
    return name, f"{name}.again"


def _import(stores: GraphStores, store: GraphStore, files: Path, reporter: Reporter) -> None:
    done = 0
    with reporter.step("import", 100 * PHASES) as step:

        def follow(line: str) -> None:
            nonlocal done
            if match := PERCENT.search(line):
                step.advance(int(match[1]) - done % 100)
                done += int(match[1]) - done % 100

        stores.import_full(store, import_arguments(files), follow)


def _verified(driver: neo4j.Driver, collected: Collected, clock: Stopwatch) -> None:
    """Write the report into the graph and hold the graph against the release."""
    report = collected.report
    write_release(driver, report)
    verification = examine(driver, collected, reporter=clock)
    if not verification.passed:
        raise BaliError(
            f"the graph is not as the release says: {verification.problems[0]} "
            f"({len(verification.problems)} problems); the old graph still serves"
        )
    report.seconds |= clock.seconds
    write_release(driver, report)
