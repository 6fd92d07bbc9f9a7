"""The jars: fetched once, checked always, whatever happens on the way. On a repository of ours."""

from __future__ import annotations

import hashlib
import multiprocessing
import re
import shutil
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bali_platform.base.errors import BaliError
from bali_platform.services.distribution import Jar, locked_jars, provide

VERSION = "5.26.99"
NAMES = (
    f"org.neo4j.app:neo4j-server:{VERSION}",
    f"org.neo4j:neo4j:{VERSION}",
    "org.neo4j.client:neo4j-browser:5.24.0",
    "io.netty:netty-epoll:4.1:linux-x86_64",
)
CONTENTS = {name: name.encode() * 5000 for name in NAMES}
JARS = tuple(
    Jar(name, len(content), hashlib.sha256(content).hexdigest())
    for name, content in CONTENTS.items()
)


def maven_path(coordinate: str) -> str:
    group, artifact, version, *_ = coordinate.split(":")
    filename = "-".join(coordinate.split(":")[1:]) + ".jar"
    return f"/{group.replace('.', '/')}/{artifact}/{version}/{filename}"


class Repository:
    """A Maven repository on loopback whose faults a test can set."""

    def __init__(self) -> None:
        self.files = {maven_path(name): content for name, content in CONTENTS.items()}
        self.cut_short: set[str] = set()
        self.requests: Counter[str] = Counter()
        repository = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = repository.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                repository.requests[self.path] += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                cut = self.path in repository.cut_short
                self.wfile.write(content[: len(content) // 2] if cut else content)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def address(self) -> dict[str, str]:
        return {"test": f"http://127.0.0.1:{self._server.server_port}"}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def repository() -> Iterator[Repository]:
    repository = Repository()
    yield repository
    repository.close()


def test_fetches_every_jar_and_keeps_the_browser_off_the_class_path(
    repository: Repository, tmp_path: Path
) -> None:
    found = provide(tmp_path, jars=JARS, repositories=repository.address)
    assert {path.name for path in found.lib.iterdir()} == {
        f"neo4j-server-{VERSION}.jar",
        f"neo4j-{VERSION}.jar",
        "netty-epoll-4.1-linux-x86_64.jar",
    }
    assert found.browser.read_bytes() == CONTENTS["org.neo4j.client:neo4j-browser:5.24.0"]
    assert VERSION in found.lib.parent.name


def test_the_rest_of_the_process_keeps_its_own_certificates(
    repository: Repository, tmp_path: Path
) -> None:
    before = ssl.SSLContext
    provide(tmp_path, jars=JARS, repositories=repository.address)
    assert ssl.SSLContext is before


def test_a_complete_set_needs_no_network(repository: Repository, tmp_path: Path) -> None:
    first = provide(tmp_path, jars=JARS, repositories=repository.address)
    assert provide(tmp_path, jars=JARS, repositories={"none": "http://127.0.0.1:9"}) == first


def test_an_interrupted_download_goes_on_where_it_stopped(
    repository: Repository, tmp_path: Path
) -> None:
    broken = maven_path(NAMES[3])
    repository.cut_short = {broken}
    with pytest.raises(BaliError, match=r"netty-epoll.*what has arrived is kept") as failure:
        provide(tmp_path, jars=JARS, repositories=repository.address)
    assert "\n" not in str(failure.value)
    repository.cut_short = set()
    provide(tmp_path, jars=JARS, repositories=repository.address)
    whole = {path: count for path, count in repository.requests.items() if path != broken}
    assert set(whole.values()) == {1}


def test_a_jar_damaged_on_disk_is_fetched_again(repository: Repository, tmp_path: Path) -> None:
    found = provide(tmp_path, jars=JARS, repositories=repository.address)
    damaged = found.lib / f"neo4j-{VERSION}.jar"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    provide(tmp_path, jars=JARS, repositories=repository.address)
    assert damaged.read_bytes() == CONTENTS[NAMES[1]]
    assert repository.requests[maven_path(NAMES[1])] == 2


def test_a_jar_that_arrives_damaged_is_never_installed(
    repository: Repository, tmp_path: Path
) -> None:
    repository.files[maven_path(NAMES[1])] = b"x" * len(CONTENTS[NAMES[1]])
    with pytest.raises(BaliError, match=rf"neo4j-{VERSION}.jar arrives damaged"):
        provide(tmp_path, jars=JARS, repositories=repository.address)
    assert not list(tmp_path.glob(f"**/lib/neo4j-{VERSION}.jar"))


def test_no_network_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BaliError, match=r"cannot be downloaded.*check the network") as failure:
        provide(tmp_path, jars=JARS, repositories={"none": "http://127.0.0.1:9"})
    assert "\n" not in str(failure.value)
    assert "127.0.0.1" not in str(failure.value)


def test_a_full_disk_is_told_before_anything_is_fetched(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    total, used, _ = shutil.disk_usage(tmp_path)
    usage = type(shutil.disk_usage(tmp_path))(total, used, 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(BaliError, match="not enough disk space for Neo4j"):
        provide(tmp_path, jars=JARS, repositories=repository.address)
    assert not repository.requests


def test_a_cache_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder", encoding="utf-8")
    with pytest.raises(BaliError, match="cannot store Neo4j there"):
        provide(tmp_path / "cache", jars=JARS, repositories={"none": "http://127.0.0.1:9"})


def test_two_processes_at_once_fetch_each_jar_once(repository: Repository, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(2) as pool:
        calls = [
            pool.apply_async(
                provide, (tmp_path,), {"jars": JARS, "repositories": repository.address}
            )
            for _ in range(2)
        ]
        results = [call.get() for call in calls]
        pool.close()
        pool.join()
    assert results[0] == results[1]
    assert set(repository.requests.values()) == {1}


def test_the_pinned_list_is_well_formed() -> None:
    jars = locked_jars()
    assert len({jar.filename for jar in jars}) == len(jars) > 200
    assert all(re.fullmatch(r"[0-9a-f]{64}", jar.sha256) and jar.size > 0 for jar in jars)
    coordinates = {jar.coordinate for jar in jars}
    assert "org.neo4j.client:neo4j-browser:5.24.0" in coordinates
    assert any(re.fullmatch(r"org\.neo4j:neo4j:5\.26\.\d+", name) for name in coordinates)
