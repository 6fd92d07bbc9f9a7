"""Up, down and status of the services of a home."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.repeating import repeated
from bali_platform.base.settings import Settings
from bali_platform.services.graphs import GraphStores
from bali_platform.services.home import Home
from bali_platform.services.machine import LOOPBACK, on_free_ports
from bali_platform.services.neo4j_server import USER, connect_neo4j
from bali_platform.services.redis_address import RedisAddress, external_redis
from bali_platform.services.redis_server import RedisServer, answers_redis, redis_concerns
from bali_platform.services.workers import QUEUES, start_workers, worker_process

if TYPE_CHECKING:
    import neo4j


PROCESSES = (
    *(f"worker-{queue}" for queue in reversed(QUEUES)),  # a trainer still needs batches
    "api",
    "neo4j-admin",
    "staging",
    "neo4j",
    "read-ahead",
    "redis",
)
"""Everything that may run in a home, in the order in which it is stopped."""

_REPAIR_EVERY_S = 5.0


@dataclass(frozen=True)
class Neo4jLogin:
    """Where Neo4j is, with what it takes to log in."""

    neo4j_uri: str
    neo4j_user: str
    neo4j_password: str = field(repr=False)
    neo4j_browser: str | None
    neo4j_database: str | None = None


@dataclass(frozen=True)
class Neo4jStatus:
    """How to reach Neo4j, and whether it answers."""

    running: bool
    uri: str
    browser: str | None
    user: str
    password_file: Path | None


@dataclass(frozen=True)
class RedisStatus:
    """How to reach Redis, and whether it answers. The URL carries no password.

    ``concerns``: ways in which it may lose jobs, in words.
    """

    running: bool
    url: str
    password_file: Path | None
    concerns: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApiStatus:
    """How to reach the REST API of ``bali serve``, and whether it runs.

    ``urls`` are those of all servers of the home that run.
    """

    running: bool
    url: str
    urls: tuple[str, ...]


@dataclass(frozen=True)
class GraphStatus:
    """The live graph: ``release`` and ``version`` are None while nothing is loaded."""

    running: bool
    name: str | None
    release: str | None
    version: str | None


@dataclass(frozen=True)
class Status:
    """What runs in a home, as found by asking it."""

    home: Path
    neo4j: Neo4jStatus
    redis: RedisStatus
    graph: GraphStatus
    api: ApiStatus
    workers: dict[str, bool]

    @property
    def complete(self) -> bool:
        """Whether everything that was started still runs."""
        return self.neo4j.running and self.redis.running and all(self.workers.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the status as JSON-ready data."""
        return asdict(self)


def up(settings: Settings, reporter: Reporter = QUIET, workers: bool = False) -> Status:
    """Start what is not running, and repair what died; do nothing when all is well.

    Args:
        settings: names the home; with a Neo4j or a Redis of their own, that server is not started.
        reporter: shows downloads and starts.
        workers: also run a Celery worker for each queue. Workers once started are kept running
            by every later ``up`` until ``down``.

    Raises:
        BaliError: something cannot be started, or an external server does not answer.
    """
    home = Home(settings.home)
    if not settings.external_redis:
        with home.exclusive():
            _start_redis(home, reporter)
    if not settings.neo4j_uri:
        GraphStores(settings, reporter).serve()
    with home.exclusive():
        known = {queue: worker_process(home, queue) for queue in QUEUES}
        wanted = [queue for queue in QUEUES if workers or known[queue].record.exists()]
        if missing := [queue for queue in wanted if known[queue].find() is None]:
            start_workers(settings, missing, reporter)
    found = status(settings)
    for server, address in ((found.neo4j, found.neo4j.uri), (found.redis, found.redis.url)):
        if not server.running:
            raise BaliError(f"no answer from {address}: check the address and the password")
    return found


@contextmanager
def kept_up(settings: Settings) -> Iterator[None]:
    """Repair services and workers every few seconds, should one of them be killed."""

    def repair() -> None:
        with suppress(BaliError):  # the next turn tries again
            up(settings, workers=True)

    with repeated(repair, _REPAIR_EVERY_S, "repair"):
        yield


def running(settings: Settings) -> set[str]:
    """Return the names of this home's processes that run."""
    home = Home(settings.home)
    return {name for name in PROCESSES if home.process(name).find() is not None}


def down(settings: Settings, names: Collection[str] = PROCESSES) -> list[str]:
    """Stop processes of this home, workers first; return the names of those that ran."""
    home = Home(settings.home)
    with home.exclusive():
        more = [server.name for server in home.servers if "api" in names and server.name != "api"]
        wanted = [*(name for name in PROCESSES if name in names), *more]
        return [name for name in wanted if home.process(name).stop()]


def status(settings: Settings) -> Status:
    """Ask every service whether it runs."""
    home = Home(settings.home)
    neo4j_status = _neo4j_status(settings)
    known = {queue: worker_process(home, queue) for queue in QUEUES}
    return Status(
        home=settings.home,
        neo4j=neo4j_status,
        redis=_redis_status(settings),
        graph=_graph_status(settings, neo4j_status.running),
        api=_api_status(home),
        workers={q: p.find() is not None for q, p in known.items() if p.record.exists()},
    )


def neo4j_login(settings: Settings, *, reads_only: bool = False) -> Neo4jLogin:
    """Return what it takes to use Neo4j; raises :class:`BaliError` when ours does not run.

    Whoever ``reads_only`` logs in as the reader that the settings name, if they do.
    """
    if settings.neo4j_uri and reads_only and settings.neo4j_reader:
        reader = (settings.neo4j_reader, settings.neo4j_reader_password)
        fields = dict(zip(("neo4j_user", "neo4j_password"), reader, strict=True))
        settings = settings.model_copy(update=fields)
    if settings.neo4j_uri:
        password = settings.neo4j_password.get_secret_value() if settings.neo4j_password else ""
        return Neo4jLogin(
            settings.neo4j_uri, settings.neo4j_user, password, None, settings.neo4j_database
        )
    if settings.neo4j_database:
        raise UsageError(
            "BALI_NEO4J_DATABASE names a database of the server at BALI_NEO4J_URI: set that too"
        )
    _require(settings, "neo4j")
    server = GraphStores(settings).server()
    return Neo4jLogin(server.uri, USER, server.password, server.browser)


def redis_url(settings: Settings) -> str:
    """Return Redis' URL, password included; raises :class:`BaliError` when ours does not run."""
    return redis_address(settings).url


def redis_address(settings: Settings) -> RedisAddress:
    """Return where Redis is; raises :class:`BaliError` when ours does not run."""
    if external := external_redis(settings):
        return external
    _require(settings, "redis")
    return _redis(Home(settings.home)).address


def _require(settings: Settings, name: str) -> None:
    if Home(settings.home).process(name).find() is None:
        raise BaliError(f"{name.capitalize()} is not running: run `bali up`")


def _redis(home: Home) -> RedisServer:
    return RedisServer(home, home.ports["redis"], home.password("redis"))


def _start_redis(home: Home, reporter: Reporter) -> None:
    server = _redis(home)
    if server.running:
        return
    with reporter.step("start Redis"):
        if server.reclaim():
            _redis(home).wait()  # perhaps on another port than was thought
            return
        on_free_ports(lambda: _start_on_free_port(home))


def _start_on_free_port(home: Home) -> None:
    home.choose_ports("redis")
    _redis(home).start()


def _neo4j_status(settings: Settings) -> Neo4jStatus:
    if settings.neo4j_uri:
        with driver_of(settings) as driver:
            running = _connects(driver)
        return Neo4jStatus(running, settings.neo4j_uri, None, settings.neo4j_user, None)
    server = GraphStores(settings).server()
    password_file = server.home.password_file("neo4j")
    return Neo4jStatus(server.running, server.uri, server.browser, USER, password_file)


def _redis_status(settings: Settings) -> RedisStatus:
    if external := external_redis(settings):
        running = answers_redis(external.url)
        concerns = redis_concerns(external.url) if running else ()
        return RedisStatus(running, external.public_url, None, concerns)
    home = Home(settings.home)
    server = _redis(home)
    return RedisStatus(server.running, server.address.public_url, home.password_file("redis"))


def _graph_status(settings: Settings, running: bool) -> GraphStatus:
    from bali_platform.services.neo4j_errors import neo4j_errors

    name = None if settings.neo4j_uri else GraphStores(settings).live()
    if not running:
        return GraphStatus(False, name, None, None)
    with neo4j_errors(settings.neo4j_uri or "its address"), driver_of(settings) as driver:
        query = "MATCH (r:Release) RETURN r.version AS release, r.graph_version AS version LIMIT 1"
        records = driver.execute_query(query).records
    found = records[0] if records else {"release": None, "version": None}
    return GraphStatus(bool(records), name, found["release"], found["version"])


def _api_status(home: Home) -> ApiStatus:
    ports = [port for server in home.servers for port in sorted(server.listening_ports())]
    urls = tuple(map(_url, ports))
    return ApiStatus(bool(urls), urls[0] if urls else _url(home.ports["api"]), urls)


def _url(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def driver_of(settings: Settings) -> neo4j.Driver:
    """Return a driver of the Neo4j that the settings mean; the caller closes it."""
    if not settings.neo4j_uri:
        return GraphStores(settings).server().driver()
    password = settings.neo4j_password
    return connect_neo4j(
        settings.neo4j_uri,
        settings.neo4j_user,
        password.get_secret_value() if password else "",
        settings.neo4j_database,
    )


def _connects(driver: neo4j.Driver) -> bool:
    from neo4j.exceptions import DriverError, Neo4jError

    try:
        driver.verify_connectivity()
    except (DriverError, Neo4jError):
        return False
    return True
