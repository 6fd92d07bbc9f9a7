from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import neo4j
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr
from tests.loaders.umls.damage import Damage, damages, is_clean, recount, whole_release
from tests.loaders.umls.dump import Dump, dump
from tests.loaders.umls.small import small_release, write_release

from bali_loaders.releases import Release, synthetic
from bali_loaders.umls import PRESETS, Limits, Report, load_online, verify
from bali_loaders.umls.bulk import import_arguments
from bali_loaders.umls.online import bolt
from bali_loaders.umls.online.batches import Batches
from bali_loaders.umls.schema import count_stored, create_schema
from bali_loaders.umls.schema import write_release as write_release_node
from bali_loaders.umls.transform import graph_version, transform
from bali_loaders.umls.verification.verify import read_report
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET
from bali_platform.base.settings import Settings
from bali_platform.graph import Graph
from bali_platform.services import GraphStores
from bali_platform.services.home import Home
from bali_platform.services.machine import free_port

pytestmark = pytest.mark.services

# All that can be loaded, and concepts that are marked as suppressed.
FULL = PRESETS["full"].model_copy(update={"suppressible": False})


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthetic.write(tmp_path_factory.mktemp("release") / "2031AA", concepts=200, seed=7)


@pytest.fixture(scope="module")
def local(module_settings: Settings) -> Settings:
    """A home whose Neo4j plays the server on which only Bolt leads.

    Not on the default port, which somebody else's Neo4j may take while this one is down.
    """
    ports = module_settings.home / "run" / "ports.json"
    ports.parent.mkdir(parents=True)
    ports.write_text(json.dumps({"bolt": free_port(), "http": free_port()}))
    return module_settings


@pytest.fixture(scope="module")
def driver(
    local: Settings, release: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[neo4j.Driver]:
    """A driver of the server, which holds what the import tool made of the release."""
    stores, files = GraphStores(local), tmp_path_factory.mktemp("bulk") / "files"
    with Release.open(release) as opened:
        report = transform(opened, FULL, files, graph_version=graph_version(opened, FULL))
    store = stores.create("bulk")
    stores.import_full(store, import_arguments(files))
    stores.activate(store)
    stores.serve()
    with stores.server().driver() as driver:
        create_schema(driver)
        write_release_node(driver, report)
        yield driver


@pytest.fixture(scope="module")
def bulk(driver: neo4j.Driver) -> Dump:
    return dump(driver)


@pytest.fixture(scope="module")
def remote(local: Settings, bulk: Dump) -> Settings:
    """Settings of somebody who has the server's address and nothing else."""
    server = GraphStores(local).server()
    login = {"neo4j_uri": server.uri, "neo4j_password": SecretStr(server.password)}
    return local.model_copy(update=login | {"home": local.home / "elsewhere"})


@pytest.fixture
def empty(driver: neo4j.Driver, bulk: Dump) -> neo4j.Driver:
    clear(driver)
    return driver


def clear(driver: neo4j.Driver) -> None:
    driver.execute_query("MATCH (n) DETACH DELETE n")
    for (name,) in driver.execute_query("SHOW CONSTRAINTS YIELD name").records:
        driver.execute_query(f"DROP CONSTRAINT {name}")
    for (name,) in driver.execute_query(
        "SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' RETURN name"
    ).records:
        driver.execute_query(f"DROP INDEX {name}")


def test_online_graph_is_the_bulk_graph(
    empty: neo4j.Driver, remote: Settings, release: Path, bulk: Dump
) -> None:
    loaded = load_online(release, FULL, remote)
    assert not loaded.already_live
    online = dump(empty)
    assert online.nodes == bulk.nodes
    assert online.relationships == bulk.relationships
    assert online.schema == bulk.schema
    text = "\n".join(bulk.nodes)
    for hard in ("sampled_edges", '"suppressed": true', "Attribute", "Mapping", "\\\\", '\\"'):
        assert hard in text, "the release has what is hard to get right"
    with Release.open(release) as opened:
        assert verify(empty, opened, sample=50).passed
    assert load_online(release, FULL, remote).already_live
    assert not (remote.home / "online").exists()


@contextmanager
def loading(release: Path, remote: Settings) -> Iterator[subprocess.Popen[str]]:
    """`bali load --online` in a process of its own."""
    assert remote.neo4j_uri and remote.neo4j_password
    environment = os.environ | {
        "BALI_HOME": str(remote.home),
        "BALI_NEO4J_URI": remote.neo4j_uri,
        "BALI_NEO4J_PASSWORD": remote.neo4j_password.get_secret_value(),
    }
    command = [sys.executable, "-m", "bali", "load", str(release)]
    command += ["--online", "--preset", "full", "--no-suppressible"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        yield process


def rows_written(driver: neo4j.Driver) -> int:
    return int(driver.execute_query("MATCH (p:ImportProgress) RETURN sum(p.rows)").records[0][0])


def wait_for_rows(driver: neo4j.Driver, rows: int, process: subprocess.Popen[str]) -> None:
    while rows_written(driver) < rows:
        assert process.poll() is None, "killed in time"
        time.sleep(0.02)


def test_killed_imports_go_on_and_make_the_same_graph(
    empty: neo4j.Driver, local: Settings, remote: Settings, release: Path, bulk: Dump
) -> None:
    written = bulk.nodes.total() + bulk.relationships.total()
    stores = GraphStores(local)
    with loading(release, remote) as process:
        wait_for_rows(empty, max(1, written * secrets.randbelow(40) // 100), process)
        process.kill()
    reached = rows_written(empty)
    with Graph.connect(remote) as graph, pytest.raises(BaliError, match="not finished"):
        assert graph.version
    with loading(release, remote) as process:
        wait_for_rows(empty, reached + 1, process)
        server = Home(local.home).process("neo4j").find()
        assert server is not None
        server.kill()
        server.wait()
        stores.serve()
        _, said = process.communicate()
        assert process.returncode == 0, said
    assert dump(empty) == bulk


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Batches, Report]]:
    """The import files of the small release, in as many lanes as there can be."""
    with Release.open(write_release(tmp_path, small_release())) as opened:
        report = transform(opened, FULL, tmp_path / "files", graph_version="0123456789abcdef")
    with closing(Batches(tmp_path / "files", Limits(), few=0)) as batches:
        yield batches, report


def test_two_imports_at_once_write_everything_once(
    empty: neo4j.Driver, small: tuple[Batches, Report]
) -> None:
    batches, report = small
    bolt.begin(empty, batches, report)
    with pytest.raises(BaliError, match="another import has just begun"):
        bolt.begin(empty, batches, report)
    with ThreadPoolExecutor(2) as pool:
        imports = [pool.submit(bolt.import_batches, empty, *small, QUIET) for _ in range(2)]
        for running in imports:
            running.result()
    nodes, relationships = count_stored(empty)
    assert Counter(nodes) == Counter(report.nodes)
    assert Counter(relationships) == Counter(report.relationships)


def test_nodes_that_vanish_meanwhile_are_noticed(
    empty: neo4j.Driver, small: tuple[Batches, Report]
) -> None:
    bolt.begin(empty, *small)
    pretend = "MATCH (p:ImportProgress) WHERE p.lane STARTS WITH 'concepts/' SET p.rows = 9"
    empty.execute_query(pretend)
    with pytest.raises(BaliError, match="has_atom: nodes that were written before are not there"):
        bolt.import_batches(empty, *small, QUIET)


def test_marks_of_another_version_are_refused(
    empty: neo4j.Driver, small: tuple[Batches, Report]
) -> None:
    bolt.begin(empty, *small)
    empty.execute_query("MATCH (p:ImportProgress) WITH p LIMIT 1 SET p.lane = 'triples/0'")
    with pytest.raises(BaliError, match="begun by another version of bali"):
        bolt.import_batches(empty, *small, QUIET)


MARK = "(:ImportProgress {lane: 'facts/7', rows: 5, release: '2030AB', graph_version: 'f0'})"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("(:Person {name: 'Ada'})", "holds 1 nodes of something else: empty it"),
        ("(:Release {version: '2030AB', graph_version: 'f0'})", "another graph, of release 2030AB"),
        (MARK, "half-finished import of another graph, of release 2030AB"),
    ],
    ids=["foreign nodes", "another graph", "half of another graph"],
)
def test_nothing_is_replaced(
    empty: neo4j.Driver, remote: Settings, release: Path, content: str, message: str
) -> None:
    empty.execute_query(f"CREATE {content}")
    before = dump(empty)
    with pytest.raises(BaliError, match=message):
        load_online(release, FULL, remote)
    assert dump(empty) == before


def test_unfinished_graph_is_no_graph(empty: neo4j.Driver, remote: Settings) -> None:
    empty.execute_query(f"CREATE {MARK}")
    with Graph.connect(remote) as graph, pytest.raises(BaliError, match="2030AB is not finished"):
        assert graph.version
    with pytest.raises(BaliError, match="2030AB is not finished"):
        read_report(empty)


def test_a_server_that_does_not_answer_is_named(remote: Settings, release: Path) -> None:
    nowhere = remote.model_copy(update={"neo4j_uri": "bolt://127.0.0.1:1"})
    with pytest.raises(BaliError, match=r"cannot reach Neo4j at bolt:.*:1: ") as refused:
        load_online(release, FULL, nowhere)
    assert "\n" not in str(refused.value)


@settings(
    max_examples=int(os.environ.get("BALI_FUZZ_IMPORTS", "2")),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.lists(damages(), min_size=1, max_size=2), st.sampled_from([True, True, False]))
def test_damaged_releases_are_refused_or_become_graphs_that_are_right(
    empty: neo4j.Driver, remote: Settings, harm: list[Damage], recounted: bool
) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = write_release(Path(place), whole_release())
        for damage in harm:
            damage(path)
        if recounted:
            recount(path)
        clear(empty)
        try:
            load_online(path, FULL, remote)
        except BaliError as error:
            assert is_clean(error), error
            assert empty.execute_query("MATCH (n:Release) RETURN n").records == []
        else:
            with Release.open(path) as opened:
                assert verify(empty, opened).problems == []
