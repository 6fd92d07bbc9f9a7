"""Graph stores: built beside the live graph, switched in one step, and back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import neo4j
import psutil
import pytest

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings
from bali_platform.services import GraphStore, GraphStores, neo4j_login, up
from bali_platform.services.home import Home

pytestmark = pytest.mark.services


def write_import_files(folder: Path, names: list[str]) -> list[str]:
    nodes = folder / "nodes.csv"
    rows = [f"{index},{name}\n" for index, name in enumerate(names)]
    nodes.write_text("id:ID,name\n" + "".join(rows), encoding="utf-8")
    edges = folder / "edges.csv"
    pairs = [f"{index},{index + 1}\n" for index in range(len(names) - 1)]
    edges.write_text(":START_ID,:END_ID\n" + "".join(pairs), encoding="utf-8")
    return [f"--nodes=Thing={nodes}", f"--relationships=NEXT={edges}"]


def names_served(settings: Settings) -> list[str]:
    where = neo4j_login(settings)
    auth = (where.neo4j_user, where.neo4j_password)
    with neo4j.GraphDatabase.driver(where.neo4j_uri, auth=auth) as driver:
        records = driver.execute_query("MATCH (n) RETURN n.name AS name ORDER BY name").records
    return [record["name"] for record in records]


def disk_usage(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


def import_names(stores: GraphStores, name: str, folder: Path, names: list[str]) -> GraphStore:
    store = stores.create(name)
    stores.import_full(store, write_import_files(folder, names))
    return store


def test_import_stage_activate_rollback(own_settings: Settings, tmp_path: Path) -> None:
    stores = GraphStores(own_settings)
    up(own_settings)
    assert (stores.live(), stores.previous()) == ("empty", None)

    said: list[str] = []
    first = stores.create("first")
    stores.import_full(first, write_import_files(tmp_path, ["a", "b"]), said.append)
    assert any("IMPORT DONE" in line for line in said)
    assert disk_usage(first.folder) < 32 << 20
    with stores.staging(first) as driver:
        driver.execute_query("CREATE CONSTRAINT FOR (n:Thing) REQUIRE n.name IS UNIQUE")
        assert names_served(own_settings) == []
    stores.activate(first)
    assert names_served(own_settings) == ["a", "b"]

    stores.activate(import_names(stores, "second", tmp_path, ["c"]))
    assert names_served(own_settings) == ["c"]
    assert (stores.live(), stores.previous()) == ("second", "first")
    assert stores.prune() == ["empty"]

    assert stores.rollback() == "first"
    assert names_served(own_settings) == ["a", "b"]
    assert (stores.live(), stores.previous()) == ("first", "second")


def test_failed_import_says_why_and_leaves_the_live_graph(
    own_settings: Settings, tmp_path: Path
) -> None:
    stores = GraphStores(own_settings)
    store = stores.create("bad")
    arguments = write_import_files(tmp_path, ["a", "b"])
    (tmp_path / "edges.csv").write_text(":START_ID,:END_ID\n0,77\n", encoding="utf-8")
    with pytest.raises(BaliError, match="77") as failure:
        stores.import_full(store, [*arguments, "--bad-tolerance=0"])
    assert "\n" not in str(failure.value)
    assert stores.live() is None


def test_a_malformed_import_file_is_named_with_the_reason(
    own_settings: Settings, tmp_path: Path
) -> None:
    stores = GraphStores(own_settings)
    arguments = write_import_files(tmp_path, ['"quote "inside" a field"'])
    with pytest.raises(BaliError, match=r"nodes\.csv.*quote") as failure:
        stores.import_full(stores.create("bad"), arguments)
    assert "\n" not in str(failure.value)


def test_a_store_that_neo4j_cannot_open_is_not_left_live(own_settings: Settings) -> None:
    up(own_settings)
    stores = GraphStores(own_settings)
    broken = stores.create("broken")
    (broken.data / "databases").write_text("not a folder", encoding="utf-8")
    with pytest.raises(BaliError):
        stores.activate(broken)
    assert stores.live() == "empty"
    assert names_served(own_settings) == []


def test_activate_without_a_running_server_only_switches(
    own_settings: Settings, tmp_path: Path
) -> None:
    stores = GraphStores(own_settings)
    stores.activate(import_names(stores, "later", tmp_path, ["x"]))
    assert Home(own_settings.home).process("neo4j").find() is None
    up(own_settings)
    assert names_served(own_settings) == ["x"]


def test_a_server_that_nobody_recorded_is_replaced(own_settings: Settings) -> None:
    up(own_settings)
    process = Home(own_settings.home).process("neo4j")
    stray = process.pid
    process.record.unlink()
    up(own_settings)
    assert process.pid != stray
    assert names_served(own_settings) == []


def test_rollback_needs_a_previous_graph(own_settings: Settings) -> None:
    with pytest.raises(BaliError, match="no previous graph"):
        GraphStores(own_settings).rollback()


def test_names_that_would_leave_the_folder_are_refused(own_settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"graph name '\.\./other'"):
        GraphStores(own_settings).create("../other")


def test_the_live_graph_is_never_rebuilt_in_place(services: object, settings: Settings) -> None:
    stores = GraphStores(settings)
    with pytest.raises(BaliError, match="is live"):
        stores.create(str(stores.live()))


def test_an_external_neo4j_has_no_stores_of_ours(settings: Settings) -> None:
    external = settings.model_copy(update={"neo4j_uri": "bolt://127.0.0.1:1"})
    with pytest.raises(UsageError, match="BALI_NEO4J_URI"):
        GraphStores(external)


def test_one_load_at_a_time(own_settings: Settings) -> None:
    with (
        GraphStores(own_settings).loading(),
        pytest.raises(BaliError, match="another load"),
        GraphStores(own_settings).loading(),
    ):
        pass


def test_a_first_up_leaves_a_first_load_alone(own_settings: Settings) -> None:
    stores = GraphStores(own_settings)
    with stores.staging(stores.create("first")) as driver:
        up(own_settings)
        driver.verify_connectivity()
        assert stores.live() == "empty"


STAGE_AND_WAIT = """
import os, sys
from bali_platform.services import GraphStores
from bali_platform.base.settings import load_settings
stores = GraphStores(load_settings())
with stores.staging(stores.create("half")):
    print("staging", flush=True)
    sys.stdin.read()
"""


def test_a_load_killed_while_staging_is_cleaned_up_by_the_next(own_settings: Settings) -> None:
    environment = {
        "BALI_HOME": str(own_settings.home),
        "BALI_CACHE": str(own_settings.cache),
        "BALI_NEO4J_MEMORY_MB": "256",
    }
    command = [sys.executable, "-c", STAGE_AND_WAIT]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment) as loader:
        assert loader.stdout is not None
        assert loader.stdout.readline() == b"staging\n"
        loader.kill()
    orphan = Home(own_settings.home).process("staging").find()
    assert orphan is not None

    stores = GraphStores(own_settings)
    assert stores.live() is None
    with stores.staging(stores.create("half")) as driver:
        driver.verify_connectivity()
        assert not psutil.pid_exists(orphan.pid)
