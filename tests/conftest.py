"""Real services for the tests that need them, in a home of their own."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import hypothesis
import neo4j
import pytest
import redis
from benchmarks.farm import Disk
from playwright.sync_api import Browser, expect, sync_playwright
from redis.exceptions import RedisError

from bali_platform import services as local_services
from bali_platform.base.settings import Settings, load_settings
from bali_platform.services import Neo4jLogin
from bali_platform.services.redis_server import find_redis

SMALL = 256
REQUIRED = [name for name in os.environ.get("BALI_REQUIRE", "").split(",") if name]
"""Markers of which CI demands that each test with them ran, and passed."""

_outcomes: Counter[tuple[str, str]] = Counter()

# How long an example takes says how busy the machine is, and nothing else.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


class Services:
    """Where the session's servers are."""

    def __init__(self, settings: Settings) -> None:
        self.neo4j: Neo4jLogin = local_services.neo4j_login(settings)
        self.neo4j_uri = self.neo4j.neo4j_uri
        self.neo4j_user = self.neo4j.neo4j_user
        self.neo4j_password = self.neo4j.neo4j_password
        self.neo4j_browser = self.neo4j.neo4j_browser
        self.redis_url = local_services.redis_url(settings)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.skipped:
        _outcomes.update((name, report.outcome) for name in REQUIRED if name in report.keywords)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workerinput"):  # of several processes, the first knows all reports
        return
    for name in REQUIRED:
        if not _outcomes[name, "passed"] or _outcomes[name, "skipped"]:
            print(f"\nBALI_REQUIRE: tests marked '{name}' did not all run")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ``BALI_HOME`` that the whole test session shares."""
    return tmp_path_factory.mktemp("bali-home")


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    """Settings for the session's home and the user's download cache."""
    return Settings(home=home, cache=load_settings().cache, neo4j_memory_mb=SMALL)


@pytest.fixture(scope="session")
def services(settings: Settings) -> Iterator[Services]:
    """A running Neo4j and Redis on ports of their own, stopped after the last test."""
    local_services.up(settings)
    yield Services(settings)
    local_services.down(settings)


@pytest.fixture
def redis_client(services: Services) -> Iterator[redis.Redis]:
    """A client of the session's Redis, emptied before each test."""
    with redis.Redis.from_url(services.redis_url) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def driver(services: Services) -> Iterator[neo4j.Driver]:
    """A driver of the session's Neo4j; each test clears the graph that it needs."""
    auth = (services.neo4j_user, services.neo4j_password)
    with neo4j.GraphDatabase.driver(services.neo4j_uri, auth=auth) as driver:
        yield driver


@pytest.fixture
def own_settings(tmp_path: Path, settings: Settings) -> Iterator[Settings]:
    """Settings of a second home, for tests that break things; whatever runs there is stopped."""
    own = settings.model_copy(update={"home": tmp_path / "own home"})
    yield own
    local_services.down(own)


@pytest.fixture(scope="module")
def module_settings(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings
) -> Iterator[Settings]:
    """Settings of a home that a module's tests share; what runs there is stopped, and all goes."""
    own = settings.model_copy(update={"home": tmp_path_factory.mktemp("module-home")})
    yield own
    local_services.down(own)
    shutil.rmtree(own.home)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real headless Chromium; without one, the tests that ask for it skip and say so."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    expect.set_options(timeout=60_000)  # a server's first answer may take many seconds
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An S3 server's bucket; the environment says where the server is, as for any client."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else every request is a line
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    fsspec.filesystem("s3").mkdir("shared")
    yield "s3://shared/bali"
    server.stop()


class MortalRedis:
    """One Redis server of its own, that can be killed and started again.

    With ``durable`` it finds its data again after ``kill -9``, without it starts empty.
    """

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.durable = True
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=5)

    def start(self) -> None:
        assert self._process is None
        if not self.durable:
            shutil.rmtree(self._folder)
            self._folder.mkdir()
        self._process = subprocess.Popen(
            [find_redis(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--dir", self._folder, "--appendonly", "yes", "--appendfsync", "always"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        while not self._answers():
            assert self._process.poll() is None, "Redis ended while starting"
            time.sleep(0.02)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False


@pytest.fixture
def mortal_redis(tmp_path: Path) -> Iterator[MortalRedis]:
    folder = tmp_path / "redis"
    folder.mkdir()
    server = MortalRedis(folder)
    server.start()
    yield server
    if server._process is not None:
        server.kill()


@pytest.fixture(params=["folder", "bucket"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store: a folder, or a part of an S3 server's bucket."""
    if request.param == "folder":
        return f"file://{tmp_path}/shared folder"
    bucket: str = request.getfixturevalue("s3")
    return f"{bucket}/{tmp_path.name}"


@pytest.fixture
def mount() -> Iterator[Callable[[Path], Disk]]:
    """Mounts a small file system on a folder until the test ends; skips where that is refused."""
    disks: list[Disk] = []

    def mount(folder: Path) -> Disk:
        try:
            disks.append(Disk(folder))
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("mounting takes root")
        return disks[-1]

    yield mount
    for disk in disks:
        disk.close()
