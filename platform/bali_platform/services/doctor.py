"""What is wrong with an installation: a line for everything looked at, and what to type."""

from __future__ import annotations

import platform
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import neo4j
import psutil
from neo4j.exceptions import DriverError, Neo4jError
from redis.exceptions import RedisError

from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings
from bali_platform.services.control import Status, driver_of, redis_url, status
from bali_platform.services.graphs import GraphStores
from bali_platform.services.home import Home
from bali_platform.services.java import find_java
from bali_platform.services.machine import is_free
from bali_platform.services.redis_server import client_of, find_redis

GIBIBYTE = 1 << 30
LEAST_DISK = 2 * GIBIBYTE
LEAST_MEMORY = GIBIBYTE // 2
LEAST_CACHED = 0.25  # of the graph, in Neo4j's page cache
MOST_SKEW_S = 2.0
FULL = 0.9
OLDEST_NEO4J = 5
OLDEST_REDIS = 6
NEEDED_INDEXES = {"concept_cui", "concept_names"}


@dataclass(frozen=True)
class Finding:
    """What was found about ``subject``; ``remedy`` says what to type if it is wrong."""

    subject: str
    found: str
    remedy: str = ""

    @property
    def fine(self) -> bool:
        """Whether there is nothing to do."""
        return not self.remedy


def examine(settings: Settings) -> list[Finding]:
    """Look at everything that a home stands on, and change nothing."""
    home, now = Home(settings.home), status(settings)
    looks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _software(settings),
        lambda: _machine(settings),
        lambda: _permissions(home),
        lambda: _processes(settings, home, now),
        lambda: _redis(settings, now),
        lambda: _neo4j(settings, now),
    ]
    return [finding for look in looks for finding in look()]


def _software(settings: Settings) -> Iterator[Finding]:
    yield Finding("versions", f"BALI {version('bali')}, Python {platform.python_version()}")
    if not settings.neo4j_uri:
        yield _program("Java", find_java)
    if not settings.external_redis:
        yield _program("Redis", find_redis)


def _program(name: str, find: Callable[[], Path]) -> Finding:
    try:
        return Finding(f"program {name}", str(find()))
    except BaliError as error:
        found, _, remedy = str(error).partition(": ")
        return Finding(f"program {name}", found, remedy)


def _machine(settings: Settings) -> Iterator[Finding]:
    for name, folder in (("BALI_HOME", settings.home), ("BALI_CACHE", settings.cache)):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        free = psutil.disk_usage(str(there)).free
        remedy = "" if free >= LEAST_DISK else f"make room, or set {name} to a larger disk"
        yield Finding(f"disk of {name}", f"{_size(free)} free at {folder}", remedy)
    free = psutil.virtual_memory().available
    remedy = "" if free >= LEAST_MEMORY else "end other programs, or lower BALI_NEO4J_MEMORY_MB"
    yield Finding("memory", f"{_size(free)} free", remedy)


def _permissions(home: Home) -> Iterator[Finding]:
    private = [home.root, *home.root.glob("secrets/*"), *home.root.glob("api.token")]
    there = [path for path in private if path.exists()]
    open_ones = [path for path in there if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    names = " ".join(f"'{path}'" for path in open_ones)
    found = f"others may look into {names}" if open_ones else f"{home.root} is its owner's alone"
    yield Finding("permissions", found, f"chmod go= {names}" if open_ones else "")


def _processes(settings: Settings, home: Home, now: Status) -> Iterator[Finding]:
    for queue, lives in now.workers.items():
        yield Finding(f"worker {queue}", "runs" if lives else "died", "" if lives else "bali up")
    yield Finding("API", ", ".join(now.api.urls) or "not running")
    known = {home.process(path.stem).pid for path in home.root.glob("run/*.json")}
    for pid, what in _of_this_home(home.root):
        if pid not in known:
            yield Finding("leftover process", f"{what} {pid}, which no record knows", f"kill {pid}")
    if not settings.neo4j_uri and not now.neo4j.running:
        yield from _port(home, "bolt")
    if not settings.external_redis and not now.redis.running:
        yield from _port(home, "redis")


def _of_this_home(root: Path) -> Iterator[tuple[int, str]]:
    marks = {f"--home-dir={root / 'neo4j' / 'neo4j'}": "Neo4j", f"{root / 'redis'}": "Redis"}
    for process in psutil.process_iter(["cmdline", "cwd"]):
        line = [*(process.info["cmdline"] or ()), process.info["cwd"] or ""]
        for mark, what in marks.items():
            if mark in line:
                yield process.pid, what


def _port(home: Home, name: str) -> Iterator[Finding]:
    port = home.ports[name]
    found = "free" if is_free(port) else "another program's; `bali up` takes another"
    yield Finding(f"port {port}", found)


def _redis(settings: Settings, now: Status) -> Iterator[Finding]:
    if not now.redis.running:
        yield Finding("Redis", f"no answer from {now.redis.url}", _start(settings.external_redis))
        return
    try:
        with client_of(redis_url(settings)) as client:
            known: Any = client.info()
            clock: Any = client.time()
    except RedisError as error:
        yield Finding("Redis", str(error), "let its user run INFO and TIME")
        return
    number = known["redis_version"]
    old = int(number.split(".")[0]) < OLDEST_REDIS
    yield Finding("Redis", f"version {number}", f"install {OLDEST_REDIS}.2 or newer" * old)
    yield _clock("Redis", clock[0] + clock[1] / 1e6)
    for concern in now.redis.concerns:
        found, _, remedy = concern.partition(": ")
        yield Finding("Redis keeps", found, remedy)
    if not now.redis.concerns:
        yield Finding("Redis keeps", "all it is given, in a log")
    used, room = known["used_memory"], known["maxmemory"]
    full = room and used > FULL * room
    found = f"{_size(used)} of {_size(room) if room else 'all memory'} used"
    yield Finding("Redis' memory", found, "bali jobs prune" if full else "")


def _neo4j(settings: Settings, now: Status) -> Iterator[Finding]:
    if not now.neo4j.running:
        yield Finding("Neo4j", f"no answer from {now.neo4j.uri}", _start(bool(settings.neo4j_uri)))
        return
    try:
        with driver_of(settings) as driver:
            yield from _server(driver)
            yield from _graph(driver, now)
            if not settings.neo4j_uri:
                yield from _page_cache(settings, driver)
    except (DriverError, Neo4jError) as error:
        yield Finding("Neo4j", str(error).splitlines()[0], "check the rights of its user")


def _server(driver: neo4j.Driver) -> Iterator[Finding]:
    query = "CALL dbms.components() YIELD versions, edition RETURN versions[0] AS number, edition"
    (record,) = driver.execute_query(query).records
    old = int(record["number"].split(".")[0]) < OLDEST_NEO4J
    remedy = "use Neo4j 5.26 or newer" if old else ""
    yield Finding("Neo4j", f"version {record['number']}, {record['edition']} edition", remedy)
    (clock,) = driver.execute_query("RETURN datetime.realtime().epochMillis AS ms").records
    yield _clock("Neo4j", clock["ms"] / 1000)


def _graph(driver: neo4j.Driver, now: Status) -> Iterator[Finding]:
    if now.graph.version is None:
        yield Finding("graph", "none is loaded", "bali load RELEASE")
        return
    yield Finding("graph", f"{now.graph.release}, version {now.graph.version}")
    query = "SHOW INDEXES YIELD name, state RETURN name, state"
    states = {record["name"]: record["state"] for record in driver.execute_query(query).records}
    missing = sorted(NEEDED_INDEXES - states.keys())
    broken = sorted(name for name, state in states.items() if state != "ONLINE")
    found = f"{len(states)} online"
    if missing or broken:
        found = f"missing or not online: {', '.join(missing + broken)}"
    yield Finding("indexes", found, "bali load RELEASE" if missing or broken else "")


def _page_cache(settings: Settings, driver: neo4j.Driver) -> Iterator[Finding]:
    query = "SHOW SETTINGS 'server.memory.pagecache.size' YIELD value"
    (record,) = driver.execute_query(query).records
    value = record["value"]
    cache = int(float(value[:-3]) * {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[value[-3]])
    store = GraphStores(settings).live_store()
    files = store.data.rglob("*") if store else ()
    graph = sum(file.stat().st_size for file in files if file.is_file())
    megabytes = 2 * int(LEAST_CACHED * graph) >> 20
    small = cache < LEAST_CACHED * graph
    remedy = f"set BALI_NEO4J_MEMORY_MB={megabytes}, then bali down; bali up" if small else ""
    yield Finding("page cache", f"{_size(cache)} for a graph of {_size(graph)}", remedy)


def _clock(whose: str, there: float) -> Finding:
    skew = there - time.time()
    wrong = abs(skew) > MOST_SKEW_S
    return Finding(f"clock of {whose}", f"{skew:+.1f} s from here", "sync both clocks" * wrong)


def _start(elsewhere: bool) -> str:
    return "check its address and password in the settings" if elsewhere else "bali up"


def _size(number: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if number < 1024:
            return f"{number:.3g} {unit}"
        number /= 1024
    return f"{number:,.1f} GiB"
