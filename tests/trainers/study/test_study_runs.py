"""A study on real services: killed, run again, and nothing made twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import neo4j
import pytest
import redis
from typer.testing import CliRunner

from bali.cli.main import app
from bali_platform import services as local_services
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.locks import locked
from bali_platform.base.settings import Settings
from bali_platform.jobs import Job, JobState, JobStore
from bali_platform.services.workers import settings_environment
from bali_platform.text.corpus import Mention, Sentence, write_corpus
from bali_trainers.study import load_study, report_study, run_study, study_folder
from bali_trainers.training.config import Config
from bali_trainers.training.submission import PreparedJob, queue_once

pytestmark = [pytest.mark.services, pytest.mark.timeout(1800)]

CONCEPTS = 12
MAKEFILE = Path(__file__).parents[3] / "Makefile"


@pytest.fixture
def graph(driver: neo4j.Driver) -> None:
    """A chain of concepts, each with two names."""
    driver.execute_query("MATCH (n) DETACH DELETE n")
    driver.execute_query("CREATE (:Release {graph_version: 'g', relation_types: ['RO']})")
    driver.execute_query(
        "UNWIND range(0, $last) AS n CREATE (:Concept {cui: 'C000000' + n, name: 'w' + n, "
        "names: ['w' + n, 'w' + (n + 20) + ' w' + (n + 40)]})",
        last=CONCEPTS - 1,
    )
    driver.execute_query(
        "MATCH (a:Concept), (b:Concept) WHERE toInteger(substring(a.cui, 7)) + 1 = "
        "toInteger(substring(b.cui, 7)) CREATE (a)-[:RO {sabs: ['X']}]->(b)"
    )


def corpus(folder: Path, first: int, documents: int) -> Path:
    """Write sentences that name a concept twice, by each of its names."""
    sentences = []
    for document in range(first, first + documents):
        n = document % CONCEPTS
        names = f"w{n}", f"w{n + 20} w{n + 40}"
        text = f"{names[0]} w{60 + document % 30} {names[1]}"
        spans = (0, len(names[0])), (len(text) - len(names[1]), len(text))
        mentions = tuple(Mention(*span, f"C000000{n}") for span in spans)
        sentences.append(Sentence(f"d{document}", 0, text, mentions))
    write_corpus(folder, sentences, name=folder.name, graph_version="g")
    return folder


@pytest.fixture
def study(graph: None, tiny_model: Callable[..., Path], tmp_path: Path) -> Path:
    train, dev, test = (
        corpus(tmp_path / name, *place)
        for name, place in {"train": (0, 24), "dev": (24, 8), "test": (40, 8)}.items()
    )
    path = tmp_path / "study.toml"
    path.write_text(
        f"""
        name = "tiny"
        seeds = [1]
        untrained = []
        [training]
        model = {{ base = '{tiny_model()}' }}
        data = {{ corpus = '{train}', source = "inline", withheld = 0.0, batch_size = 4,
                  max_length = 16, name_length = 8, withheld_edges = 0.3 }}
        graph_encoder = {{ kind = "mean" }}
        run = {{ max_steps = 4, checkpoint_every = 2, log_every = 1, device = "cpu", threads = 1 }}
        [grid]
        neighbours = [2, 0]
        [edges]
        withheld = 0.3
        [tests.words]
        corpus = '{test}'
        choose = '{dev}'
        """.replace(",\n                  ", ", ")
    )
    return path


@pytest.fixture
def store(redis_client: redis.Redis) -> JobStore:
    return JobStore(redis_client)


@pytest.fixture
def make(settings: Settings, study: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start ``make study`` on downloads and a graph that is loaded; its workers are stopped."""
    folder = study.parent
    download(folder / "downloads" / "medmentions-all.jsonl", documents=40)
    text = study.read_text()
    for part in ("train", "dev", "test"):
        text = text.replace(str(folder / part), f"corpora/medmentions/{part}")
    study.write_text(text)
    loaded = folder / "open-release" / ".loaded"
    loaded.parent.mkdir()
    loaded.touch()
    installed = Path(sys.prefix) / ".installed"
    command = ["make", "-f", str(MAKEFILE), "-o", str(installed), f"VENV={sys.prefix}"]
    yield lambda: subprocess.Popen(
        [*command, "study", f"STUDY={study.name}"],
        cwd=folder,
        env=os.environ | settings_environment(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    local_services.down(settings, ["worker-gpu", "worker-subgraphs"])


def download(path: Path, documents: int) -> None:
    """Write what :func:`corpus` makes as MedMentions is shared: tokens, and mentions of them."""
    rows = []
    for document in range(documents):
        n = document % CONCEPTS
        tokens = [f"w{n}", f"w{60 + document % 30}", f"w{n + 20}", f"w{n + 40}"]
        mentions = [[0, 1, f"C000000{n}"], [2, 4, f"C000000{n}"]]
        rows.append({"pmid": str(document), "tokens": tokens, "mentions": mentions})
    path.parent.mkdir()
    path.write_text("\n".join(map(json.dumps, rows)))


def never(asked: Path, model: str, trained: Job | None) -> Job:
    raise AssertionError("nothing is to be tested")


def outcomes(folder: Path) -> dict[str, int]:
    """When each outcome was written."""
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("outcomes/*.json")}


def own(store: JobStore) -> list[Job]:
    """The study's jobs: other tests may have left jobs in this home."""
    return [job for job in store.list() if job.name.startswith(("tiny-", "study "))]


def test_a_killed_study_goes_on_and_makes_nothing_twice(
    make: Any, study: Path, settings: Settings, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.parent)
    checked = load_study(study)
    folder = study_folder(checked, settings).path
    killed = make()
    deadline = time.monotonic() + 900
    while not outcomes(folder):
        assert killed.poll() is None, killed.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    before, queued = outcomes(folder), {job.id for job in own(store)}

    again = make()
    said, errors = again.communicate(timeout=900)
    assert again.returncode == 0, errors
    assert f"{len(before)} of 3 runs are there already" in errors
    after = outcomes(folder)
    assert len(after) == 3, "untouched, and two trained"
    assert before.items() <= after.items()
    jobs = own(store)
    assert {job.id for job in jobs} >= queued
    assert sorted((job.name, job.state, job.attempt) for job in jobs) == [
        *[("study test", JobState.SUCCEEDED, 1)] * 3,
        ("tiny-aligned-1", JobState.SUCCEEDED, 1),
        ("tiny-neighbours-0-1", JobState.SUCCEEDED, 1),
    ]
    assert "2 models were trained with 1 seed each" in " ".join(said.split())

    jobs = [job for job in jobs if job.kind == "train"]
    assert all((job.folder / "model" / "model.safetensors").exists() for job in jobs)
    assert not any((job.folder / "checkpoints").exists() for job in jobs), "they are large"

    # All is there: neither queue nor worker has anything to do.
    assert run_study(checked, settings, store, never) == {}
    assert outcomes(folder) == after
    report = report_study(study_folder(checked, settings))
    assert report.missing == []
    models = {model.name: model for model in report.models}
    assert models["aligned"].steps == 4
    assert models["aligned"].cpu_minutes > 0
    assert list(report.curves["alignment/loss"]) == ["aligned", "neighbours 0"]
    assert [step for step, *_ in report.curves["alignment/loss"]["aligned"]] == [1, 2, 3, 4]
    assert set(models["aligned"].scores["held-out edges"]) == {"name", "graph", "alone"}
    assert set(models["untouched"].scores["held-out edges"]) == {"name"}
    assert len(models["aligned"].scores["held-out edges"]["graph"]) > 1, "types of edges apart"
    page = (folder / "report.md").read_text()
    assert "## Linking on words" in page
    told = [report.dictionary, report.training, "graph g", report.machine["cpu"]]
    assert all(part in page for part in told)
    assert "train (" in report.training, "its digest follows"


def test_a_study_runs_once_at_a_time(study: Path, settings: Settings, store: JobStore) -> None:
    checked = load_study(study)
    folder = study_folder(checked, settings).path
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock"), pytest.raises(UsageError, match="is running already"):
        run_study(checked, settings, store, never)


def test_documents_that_training_saw_are_refused(
    study: Path, settings: Settings, store: JobStore, tmp_path: Path
) -> None:
    text = "A sentence that is long enough to be known again, wherever it is: w1."
    seen = (Sentence("d0", 0, text, (Mention(66, 68, "C0000001"),)),)
    for name in ("train", "test"):
        write_corpus(tmp_path / name, seen, name=name, graph_version="g")
    with pytest.raises(BaliError, match="are also in the training corpora"):
        run_study(load_study(study), settings, store, never)
    assert store.list() == [], "nothing was queued"


def test_a_corpus_of_another_graph_is_refused(
    study: Path, settings: Settings, store: JobStore, driver: neo4j.Driver
) -> None:
    driver.execute_query("MATCH (r:Release) SET r.graph_version = 'h'")
    with pytest.raises(BaliError, match="was linked with graph g, but h is live"):
        run_study(load_study(study), settings, store, never)


def told(name: str, seed: int = 1) -> dict[str, Any]:
    return Config(name=name, seed=seed).model_dump(mode="json")


def test_jobs_are_known_by_what_they_train(store: JobStore, tmp_path: Path) -> None:
    def queue(name: str = "a", seed: int = 1) -> Any:
        prepared = PreparedJob(name, told(name, seed), {"graph_version": "g"})
        return queue_once(prepared, store, tmp_path)

    first = queue()
    assert queue("b").id == first.id, "a name changes no weight"
    assert queue(seed=2).id != first.id
    store.request_cancel(first.id)
    assert (queue().id, queue().state) == (first.id, JobState.QUEUED)
    store.change(first.id, {"code_version": "0"})
    assert queue().id != first.id, "other code may train other weights"


def test_a_record_that_redis_has_lost_is_found_again(store: JobStore, tmp_path: Path) -> None:
    prepared = PreparedJob("a", told("a"), {})
    job = queue_once(prepared, store, tmp_path)
    store.redis.flushall()
    assert queue_once(prepared, store, tmp_path).id == job.id


def test_a_study_is_shown_before_it_runs(study: Path) -> None:
    result = CliRunner().invoke(app, ["study", "show", str(study), "--json"])
    assert [model["name"] for model in json.loads(result.stdout)] == [
        *("untouched", "aligned", "neighbours 0")
    ]
    shown = CliRunner().invoke(app, ["study", "show", str(study)]).stdout
    assert "neighbours 0" in shown
