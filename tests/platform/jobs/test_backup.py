"""A home is saved while it serves, and comes back whole in another place."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from tests.platform.jobs.claims import claim

from bali_platform import services
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings
from bali_platform.jobs import Job, JobState, JobStore, connect
from bali_platform.jobs.backup import backup, restore
from bali_platform.jobs.lease import Reaper
from bali_platform.services.control import driver_of

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def store(module_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> JobStore:
    """The jobs of a home with a graph, a corpus, and a job that runs."""
    stores, folder = services.GraphStores(module_settings), tmp_path_factory.mktemp("import")
    (folder / "nodes.csv").write_text("id:ID,name\n" + "".join(f"{n},n{n}\n" for n in range(500)))
    (folder / "edges.csv").write_text(":START_ID,:END_ID\n0,1\n1,2\n")
    graph = stores.create("first")
    files = [f"--nodes=Thing={folder}/nodes.csv", f"--relationships=NEXT={folder}/edges.csv"]
    stores.import_full(graph, files)
    stores.activate(graph)
    services.up(module_settings)
    ask(module_settings, "CREATE INDEX thing FOR (n:Thing) ON (n.name)")
    ask(module_settings, "CREATE (:Thing {name: 'added'})")
    corpus = module_settings.home / "corpora" / "notes"
    corpus.mkdir(parents=True)
    (corpus / "part.parquet").write_bytes(b"sentences")
    store = JobStore(connect(module_settings), module_settings.home)
    job = store.submit("toy", "t", {"seed": 1}, {}, module_settings.home / "jobs")
    (job.folder / "checkpoints").mkdir()
    (job.folder / "checkpoints" / "newest.json").write_text("{}")
    assert claim(store)
    return store


@pytest.fixture
def running(store: JobStore) -> Job:
    (job,) = store.list(JobState.RUNNING)
    return job


def ask(settings: Settings, query: str) -> list[dict[str, Any]]:
    with driver_of(settings) as driver:
        return [record.data() for record in driver.execute_query(query).records]


def test_a_home_is_saved_and_restored(
    module_settings: Settings, store: JobStore, running: Job, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    saved = backup(module_settings, folder)
    assert saved["graph"] == {"name": "first", "nodes": 501, "relationships": 2}
    assert saved["jobs"] == 1
    assert not (folder / "home" / "secrets").exists()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    ask(module_settings, "MATCH (n:Thing {name: 'added'}) DELETE n")

    there = module_settings.model_copy(update={"home": tmp_path / "another" / "home"})
    try:
        assert restore(there, folder) == saved
        check_restored(there, module_settings, store, running)
        with pytest.raises(UsageError, match="is in use: set BALI_HOME to a new folder"):
            restore(there, folder)
    finally:
        services.down(there)


def check_restored(there: Settings, here: Settings, store: JobStore, running: Job) -> None:
    (found,) = ask(there, "MATCH (n:Thing {name: 'added'}) RETURN count(n) AS count")
    assert found == {"count": 1}
    assert stat.S_IMODE(there.home.stat().st_mode) == 0o700
    (index,) = ask(there, "SHOW INDEXES YIELD name, state WHERE name = 'thing' RETURN state")
    assert index == {"state": "ONLINE"}
    assert services.neo4j_login(there).neo4j_password != services.neo4j_login(here).neo4j_password
    assert (there.home / "corpora" / "notes" / "part.parquet").read_bytes() == b"sentences"
    moved = JobStore(connect(there), there.home)
    job = moved.get(running.id)
    assert job == running.model_copy(update={"folder": there.home / "jobs" / running.id})
    assert (job.folder / "checkpoints" / "newest.json").exists()
    assert list(moved.events(job.id)) == list(store.events(job.id))
    assert moved.installation(there.home / "jobs") == running.installation
    reaper = Reaper(moved, there.home / "jobs", lambda: 1, lambda: None)
    for now in (0.0, 100.0):
        reaper.sweep(now)
    assert moved.get(job.id).state == JobState.QUEUED, "it goes on from its last checkpoint"


def test_passwords_come_along_when_that_is_wanted(
    module_settings: Settings, store: JobStore, tmp_path: Path
) -> None:
    backup(module_settings, tmp_path / "saved", passwords=True)
    kept = tmp_path / "saved" / "home" / "secrets" / "neo4j-password"
    assert kept.read_text() == services.neo4j_login(module_settings).neo4j_password
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_damaged_backup_is_refused_before_anything_is_made(
    module_settings: Settings, store: JobStore, tmp_path: Path
) -> None:
    folder = tmp_path / "saved"
    backup(module_settings, folder)
    there = module_settings.model_copy(update={"home": tmp_path / "home"})
    (folder / "home" / "corpora" / "notes" / "part.parquet").write_bytes(b"other")
    with pytest.raises(BaliError, match=r"part\.parquet is damaged or missing"):
        restore(there, folder)
    assert not there.home.exists()
    with pytest.raises(UsageError, match="exists already: name a new folder"):
        backup(module_settings, folder)
    shutil.rmtree(folder / "graph")
    (folder / "manifest.json").unlink()
    with pytest.raises(UsageError, match="is no backup"):
        restore(there, folder)


def test_what_a_running_job_removes_meanwhile_is_left_out(
    mortal_redis: Any, tmp_path: Path
) -> None:
    settings = Settings(
        home=tmp_path / "home", redis_url=mortal_redis.url, neo4j_uri="bolt://127.0.0.1:1"
    )
    store = JobStore(connect(settings), settings.home)
    for _ in range(50):
        store.submit("toy", "t", {}, {}, settings.home / "jobs")
    done = Event()

    def write_checkpoints() -> None:
        while not done.is_set():
            for job in (settings.home / "jobs").glob("*/"):
                for step in range(5):
                    (job / "checkpoints" / f"step-{step}").mkdir(parents=True)
                shutil.rmtree(job / "checkpoints")

    thread = Thread(target=write_checkpoints)
    thread.start()
    try:
        saved = [backup(settings, tmp_path / f"saved-{number}") for number in range(5)]
    finally:
        done.set()
        thread.join()
    assert [each["jobs"] for each in saved] == [50] * 5
