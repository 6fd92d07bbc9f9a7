"""The Neo4j that bali runs: pinned jars, fetched once into the cache and checked each time."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from bali_platform.base.errors import BaliError
from bali_platform.base.locks import take_lock
from bali_platform.base.progress import QUIET, Reporter

BROWSER = "neo4j-browser"
SERVER = "neo4j-server"
ATTEMPTS = 3
MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Jar:
    """One pinned Maven artefact: ``group:artifact:version[:classifier]``, bytes, sha256."""

    coordinate: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """``artifact-version[-classifier].jar``."""
        return "-".join(self.coordinate.split(":")[1:]) + ".jar"

    @property
    def is_browser(self) -> bool:
        """Whether this is the Neo4j Browser, which is unpacked and not on the class path."""
        return self.filename.startswith(BROWSER)

    def intact_in(self, folder: Path) -> bool:
        """Whether ``folder`` holds this jar with the pinned size and sha256."""
        path = folder / self.filename
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


@dataclass(frozen=True)
class Distribution:
    """A complete, checked set of jars in the cache."""

    lib: Path
    browser: Path


@cache
def locked_jars() -> tuple[Jar, ...]:
    """Every jar of the pinned Neo4j, from the package's ``neo4j.lock``."""
    text = (files(__package__) / "neo4j.lock").read_text(encoding="ascii")
    rows = (line.split() for line in text.splitlines())
    return tuple(Jar(coordinate, int(size), sha256) for coordinate, size, sha256 in rows)


def provide(
    cache_folder: Path,
    reporter: Reporter = QUIET,
    jars: Sequence[Jar] | None = None,
    repositories: Mapping[str, str] | None = None,
) -> Distribution:
    """Return the jars in ``cache_folder``, fetching those that are missing or damaged.

    Whole jars survive an interruption, so the next call goes on from there. Several processes
    may call this at once: one fetches, the others wait for it.

    Args:
        cache_folder: the shared cache (``BALI_CACHE``).
        reporter: shows the download.
        jars: what to provide; the pinned Neo4j by default.
        repositories: Maven repositories by name; those of the user's jgo configuration by
            default, else jgo's own default.

    Raises:
        BaliError: no network, no disk space, or a jar that keeps arriving damaged.
    """
    jars = locked_jars() if jars is None else jars
    folder = cache_folder / _folder_name(jars)
    lib, browser = folder / "lib", folder / "browser"
    places = {jar: browser if jar.is_browser else lib for jar in jars}
    result = Distribution(lib, next(browser / jar.filename for jar in jars if jar.is_browser))
    if all(jar.intact_in(place) for jar, place in places.items()):
        return result
    try:
        with _exclusive(cache_folder, reporter):
            missing = {jar: place for jar, place in places.items() if not jar.intact_in(place)}
            if missing:
                _fetch_all(missing, folder / "partial", reporter, repositories)
    except OSError as error:
        raise BaliError(f"{cache_folder}: cannot store Neo4j there: {error.strerror}") from error
    return result


def _folder_name(jars: Sequence[Jar]) -> str:
    """Name the set by Neo4j's version and content, so that no stale jar is ever picked up."""
    digest = hashlib.sha256("".join(jar.sha256 for jar in jars).encode()).hexdigest()[:8]
    versions = [jar.coordinate.split(":")[2] for jar in jars if f":{SERVER}:" in jar.coordinate]
    return "-".join(["neo4j", *versions, digest])


@contextmanager
def _exclusive(cache_folder: Path, reporter: Reporter) -> Iterator[None]:
    file = cache_folder / "neo4j.lock"
    try:
        lock = take_lock(file, wait=False)
    except BlockingIOError:
        reporter.say("Another bali is fetching Neo4j; waiting for it.")
        lock = take_lock(file)
    try:
        yield
    finally:
        os.close(lock)


def _fetch_all(
    missing: Mapping[Jar, Path],
    partial: Path,
    reporter: Reporter,
    repositories: Mapping[str, str] | None,
) -> None:
    size = sum(jar.size for jar in missing)
    _check_space(partial.parent.parent, size)
    shutil.rmtree(partial, ignore_errors=True)
    for place in missing.values():
        place.mkdir(parents=True, exist_ok=True)
    step_size = round(size / MEGABYTE, 1)
    with _system_certificates(), reporter.step("download Neo4j (MB)", total=step_size) as step:
        context = _maven(partial, repositories, lambda count: step.advance(count / MEGABYTE))
        pool = ThreadPoolExecutor(max_workers=8)
        try:
            for _ in pool.map(lambda jar: _fetch(jar, missing[jar], context), missing):
                pass
        finally:
            pool.shutdown(cancel_futures=True)
    shutil.rmtree(partial, ignore_errors=True)


def _check_space(folder: Path, size: int) -> None:
    # Unpacking the Browser and the first empty graph come on top of the jars.
    needed, free = 2 * size, shutil.disk_usage(folder).free
    if free < needed:
        raise BaliError(
            f"{folder}: not enough disk space for Neo4j: {needed // MEGABYTE} MB needed, "
            f"{free // MEGABYTE} MB free; free some, or set BALI_CACHE to a roomier disk"
        )


@contextmanager
def _system_certificates() -> Iterator[None]:
    """Trust what the system trusts, as pip does: a proxy's certificate is there.

    Before requests, which jgo uses, is imported: it makes its context then. And not for longer:
    contexts of libraries that were imported before would call themselves without end.
    """
    import truststore

    truststore.inject_into_ssl()
    try:
        yield
    finally:
        truststore.extract_from_ssl()


def _maven(
    partial: Path, repositories: Mapping[str, str] | None, on_bytes: Callable[[int], None]
) -> Any:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    # jgo warns about a bad checksum and goes on; the sha256 here decides.
    logging.getLogger("jgo").setLevel(logging.ERROR)

    @contextmanager
    def progress(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield on_bytes

    return MavenContext(
        resolver=PythonResolver(progress_callback=progress),
        repo_cache=partial,
        remote_repos=dict(repositories or GlobalSettings.load().repositories) or None,
        timeout=30,
    )


def _fetch(jar: Jar, place: Path, context: Any) -> None:
    """Download one jar; it appears in ``place`` only when its sha256 is right."""
    artifact = context.create_dependency(jar.coordinate).artifact
    arrived: Path = artifact.cached_path
    problem = ""
    for attempt in range(ATTEMPTS):
        time.sleep(attempt)
        arrived.unlink(missing_ok=True)
        try:
            context.resolver.download(artifact)
        except (OSError, RuntimeError) as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            problem = f"cannot be downloaded ({type(error).__name__})"
            continue
        if jar.intact_in(arrived.parent):
            arrived.replace(place / jar.filename)
            return
        problem = "arrives damaged (its sha256 is not the pinned one)"
    raise BaliError(
        f"Neo4j: {jar.filename} {problem}; check the network or proxy, then run `bali up` again "
        "(what has arrived is kept)"
    )
