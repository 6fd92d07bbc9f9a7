"""A home in a folder: its live graph, its jobs and everything else that it keeps.

A backup is made while everything serves, and holds ``manifest.json`` (what it is, and a digest of
each file), ``home`` (files), ``graph`` (Neo4j's files) and ``jobs.jsonl`` (records from Redis).
The graph's files are copied as a crash would leave them, logs included, from which Neo4j recovers:
between two looks that see the same last transaction and the same checkpoint, or once more.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from importlib.metadata import version
from pathlib import Path
from typing import Any

import neo4j
from redis import Redis
from redis.exceptions import ResponseError

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.files import digest_of, new_folder
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings
from bali_platform.jobs.connection import connect
from bali_platform.services import up
from bali_platform.services.graphs import EMPTY, GraphStore, GraphStores

ANOTHERS = {"neo4j", "redis", "run", "logs", "loads", "cache"}
"""Folders of a home that are copied in another way, or worth nothing elsewhere."""

PASSWORDS = {"secrets", "api.token"}
DATABASE_FILES = ("databases/neo4j", "transactions/neo4j")
CHECKPOINTS = "transactions/neo4j"
TRIES = 5
KEYS = ("bali:job*", "bali:installation")
RECORDS = "bali:job:{*}"
COUNTS = "MATCH (n) WITH count(n) AS nodes MATCH ()-[r]->() RETURN nodes, count(r) AS relationships"
LAST = "SHOW DATABASE neo4j YIELD lastCommittedTxn AS number"


def backup(
    settings: Settings, folder: Path, passwords: bool = False, reporter: Reporter = QUIET
) -> dict[str, Any]:
    """Write a home to a new folder while it serves, and return what the manifest says of it.

    A Neo4j that is not the home's own is left to its own tools.

    Raises:
        UsageError: the folder exists already.
        BaliError: a service does not answer, or the graph is written to all the time.
    """
    if folder.exists():
        raise UsageError(f"{folder} exists already: name a new folder")
    with new_folder(folder) as building:
        building.chmod(0o700)
        with reporter.step("copy the jobs"):  # before their folders, which may be further then
            jobs = _save_records(connect(settings), building / "jobs.jsonl")
        with reporter.step("copy the home"):
            _copy_home(settings.home, building / "home", passwords)
        graph = None
        if not settings.neo4j_uri:
            with reporter.step("copy the graph"):
                graph = _copy_graph(GraphStores(settings), building / "graph")
        manifest = {
            "version": version("bali"),
            "made_at": time.time(),
            "home": str(settings.home),
            "graph": graph,
            "jobs": jobs,
            "files": {
                str(path.relative_to(building)): digest_of(path) for path in _files(building)
            },
        }
        (building / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return {name: value for name, value in manifest.items() if name != "files"}


def restore(settings: Settings, folder: Path, reporter: Reporter = QUIET) -> dict[str, Any]:
    """Fill a new home from a backup, start its services, and check what they hold.

    Jobs that ran when the backup was made go on from their last checkpoint. One that is
    interrupted is done again from the beginning.

    Raises:
        UsageError: this is no backup, or the home holds something already.
        BaliError: a file of the backup is damaged, or what was restored is not what was saved.
    """
    manifest = _read_manifest(folder)
    unfinished = settings.home / "restoring"
    if not unfinished.exists() and any(_holdings(settings.home)):
        raise UsageError(f"{settings.home} is in use: set BALI_HOME to a new folder")
    with reporter.step("check the backup"):
        _check_files(folder, manifest["files"])
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished.touch()
    with reporter.step("copy the home"):
        shutil.copytree(folder / "home", settings.home, dirs_exist_ok=True)
    if manifest["graph"] and not settings.neo4j_uri:
        with reporter.step("restore the graph"):
            _restore_graph(GraphStores(settings), folder / "graph", manifest["graph"])
    up(settings, reporter)
    with reporter.step("restore the jobs"):
        redis = connect(settings)
        _restore_records(redis, folder / "jobs.jsonl")
        found = len([*redis.scan_iter(RECORDS)])
    if found != manifest["jobs"]:
        raise BaliError(f"{found} jobs were restored, not the {manifest['jobs']} that were saved")
    unfinished.unlink()
    return {name: value for name, value in manifest.items() if name != "files"}


def _holdings(home: Path) -> Iterator[Path]:
    """Yield what is in a home beside what looking at it makes."""
    if home.is_dir():
        yield from (each for each in home.iterdir() if each.name not in {"run", "logs", "secrets"})


def _copy_home(home: Path, target: Path, passwords: bool) -> None:
    left_out = ANOTHERS if passwords else ANOTHERS | PASSWORDS
    target.mkdir(mode=0o700)  # as the home will be that is made from it
    for each in sorted(home.iterdir()):
        if each.name in left_out:
            continue
        if each.is_dir():
            _copy_folder(each, target / each.name)
        else:
            _copy(each, target / each.name)


def _copy_folder(source: Path, target: Path) -> None:
    """Copy a folder; folders in it that a running job has removed meanwhile are left out."""
    try:
        shutil.copytree(source, target, symlinks=True, copy_function=_copy)
    except shutil.Error as error:
        for path, _, reason in error.args[0]:
            if Path(path).exists():
                raise BaliError(f"{path} cannot be copied: {reason}") from error


def _copy(source: str | Path, target: str | Path) -> str | Path:
    """Copy a file; one that a running job has removed meanwhile is left out."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)
    return target


def _copy_graph(stores: GraphStores, target: Path) -> dict[str, Any]:
    store = stores.live_store()
    if store is None or store.name == EMPTY:
        return {}
    with stores.serving() as driver:
        for _ in range(TRIES):
            before = _moment(driver, store)
            shutil.rmtree(target, ignore_errors=True)
            with suppress(shutil.Error, FileNotFoundError):  # somebody wrote meanwhile
                for part in DATABASE_FILES:
                    shutil.copytree(store.data / part, target / part)
                if _moment(driver, store) == before:
                    return {"name": store.name, **_counts(driver)}
    raise BaliError("the graph is written to all the time: make the backup when nobody writes")


def _moment(driver: neo4j.Driver, store: GraphStore) -> tuple[Any, ...]:
    """Return what changes with every transaction, and with every checkpoint."""
    last = driver.execute_query(LAST, database_="system").records[0]["number"]
    files = sorted((store.data / CHECKPOINTS).glob("checkpoint.*"))
    return (last, *((file.name, file.stat().st_mtime_ns) for file in files))


def _counts(driver: neo4j.Driver) -> dict[str, int]:
    return dict(driver.execute_query(COUNTS).records[0])


def _restore_graph(stores: GraphStores, source: Path, saved: dict[str, Any]) -> None:
    wanted = {name: count for name, count in saved.items() if name != "name"}
    with stores.loading():
        store = stores.create(saved["name"])
        for part in DATABASE_FILES:
            shutil.copytree(source / part, store.data / part, dirs_exist_ok=True)
        with stores.staging(store) as driver:
            found = _counts(driver)
        if found != wanted:
            raise BaliError(f"the restored graph holds {found}, the saved one {wanted}")
        stores.activate(store)


def _save_records(redis: Redis, file: Path) -> int:
    """Write what Redis keeps of jobs, but for leases, which are nobody's in another place.

    Returns the number of jobs.
    """
    jobs = 0
    with file.open("w", encoding="utf-8") as lines:
        for key in sorted(key for kind in KEYS for key in redis.scan_iter(kind, count=1000)):
            value: Any = redis.dump(key) if redis.ttl(key) == -1 else None
            if value is not None:
                row = {"key": key.decode(), "value": base64.b64encode(value).decode()}
                lines.write(json.dumps(row) + "\n")
                jobs += fnmatchcase(row["key"], RECORDS)
    return jobs


def _restore_records(redis: Redis, file: Path) -> None:
    with file.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            try:
                redis.restore(row["key"], 0, base64.b64decode(row["value"]), replace=True)
            except ResponseError as error:
                raise BaliError(f"{row['key']}: this Redis cannot take it: {error}") from error


def _read_manifest(folder: Path) -> Any:
    try:
        return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder} is no backup: `bali backup {folder}` makes one") from error


def _check_files(folder: Path, digests: dict[str, str]) -> None:
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file() or digest_of(path) != digest:
            raise BaliError(f"{path} is damaged or missing: use another backup")


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        paths = (Path(root, name) for name in sorted(names))
        yield from (path for path in paths if not path.is_symlink())
