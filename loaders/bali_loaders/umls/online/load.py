"""Release -> graph on a server where only Bolt leads: hosted, remote, in a container."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import neo4j

from bali_loaders.releases import Release
from bali_loaders.umls.load import Loaded
from bali_loaders.umls.online import bolt
from bali_loaders.umls.online.batches import Batches
from bali_loaders.umls.options import LoadOptions, check_choices
from bali_loaders.umls.preparation import opened, transformed
from bali_loaders.umls.report import Report
from bali_loaders.umls.schema import create_schema, run
from bali_loaders.umls.stopwatch import Stopwatch
from bali_loaders.umls.transform import Limits, graph_version
from bali_loaders.umls.transform.tables import check_complete
from bali_loaders.umls.verification.verify import collect, examine, read_report
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.locks import locked
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings
from bali_platform.services import neo4j_login
from bali_platform.services.neo4j_errors import neo4j_errors
from bali_platform.services.neo4j_server import connect_neo4j

SAMPLE = 200
EMPTY = "empty it (docs/umls.md says how) or name another server"


def load_online(
    path: Path,
    options: LoadOptions,
    settings: Settings,
    *,
    limits: Limits | None = None,
    reporter: Reporter = QUIET,
) -> Loaded:
    """Import the release at ``path`` into the empty Neo4j that the settings name.

    The graph is the one that :func:`load` builds. Until it is whole and verified, it is marked as
    unfinished, and :class:`Graph` refuses it. An import that was killed, or whose server was, goes
    on where it stopped when it is run again.

    Raises :class:`UsageError` where the settings name no server, and :class:`BaliError` where the
    server holds anything else, or the graph does not agree with the release.
    """
    if not settings.neo4j_uri:
        raise UsageError(
            "--online imports into the server that BALI_NEO4J_URI names; "
            "without it, `bali load` builds the local graph"
        )
    clock, limits = Stopwatch(reporter), limits or Limits()
    at, folder = neo4j_login(settings), settings.home / "online"
    folder.mkdir(parents=True, exist_ok=True)
    taken = BaliError("another import is under way in this home; wait for it")
    with (
        locked(folder.with_suffix(".lock"), taken),
        neo4j_errors(at.neo4j_uri),
        connect_neo4j(at.neo4j_uri, at.neo4j_user, at.neo4j_password, at.neo4j_database) as driver,
    ):
        driver.verify_connectivity()
        with opened(path, folder / "unpacked", clock) as release:
            loaded = _loaded(driver, release, options, at.neo4j_uri, folder, limits, clock)
        shutil.rmtree(folder)
    return loaded


def _loaded(
    driver: neo4j.Driver,
    release: Release,
    options: LoadOptions,
    uri: str,
    folder: Path,
    limits: Limits,
    clock: Stopwatch,
) -> Loaded:
    check_complete(release, options)
    check_choices(release, options)
    version = graph_version(release, options, clock)
    if _is_there(driver, uri, version):
        return Loaded(uri, read_report(driver), already_live=True)
    files = folder / version
    report = transformed(release, options, files, version, limits, clock)
    _import(driver, files, report, limits, clock)
    collected = collect(release, report, sample=SAMPLE, reporter=clock)
    verification = examine(driver, collected, reporter=clock)
    if not verification.passed:
        raise BaliError(
            f"the graph is not as the release says: {verification.problems[0]} "
            f"({len(verification.problems)} problems); {EMPTY}, and load again"
        )
    report.seconds |= clock.seconds
    bolt.finish(driver, report)
    return Loaded(uri, report, already_live=False)


def _is_there(driver: neo4j.Driver, uri: str, version: str) -> bool:
    """Whether the server holds this very graph; False where it holds nothing, or a part of it."""
    (state,) = run(driver, "online_state")
    if state["graph_version"] == version:
        return True
    if state["release"]:
        raise BaliError(
            f"{uri} holds another graph, of release {state['release']}, and nothing is replaced: "
            f"{EMPTY}"
        )
    for release, begun in state["imports"]:
        if begun != version:
            raise BaliError(
                f"{uri} holds a half-finished import of another graph, of release {release}: "
                f"finish it with its own command, {EMPTY}"
            )
    if state["nodes"] and not state["imports"]:
        raise BaliError(f"{uri} holds {state['nodes']:,} nodes of something else: {EMPTY}")
    return False


def _import(
    driver: neo4j.Driver, files: Path, report: Report, limits: Limits, clock: Stopwatch
) -> None:
    with clock.step("put rows in order"):
        batches = Batches(files, limits)
    with closing(batches):
        if run(driver, "online_state")[0]["imports"]:
            clock.say("going on where an interrupted import stopped")
        else:
            bolt.begin(driver, batches, report)
        bolt.import_batches(driver, batches, report, clock)
    create_schema(driver, clock)
