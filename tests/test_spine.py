"""The whole path on real services: release, graph, text, workers, stream, trainer, evidence."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from hashlib import sha256
from pathlib import Path

import httpx
import psutil
import pytest
from tests.collector import Collector, attributes, collecting
from tests.serving import run_server
from typer.testing import CliRunner

from bali.cli.main import app
from bali_loaders import umls
from bali_loaders.corpora import write_definitions
from bali_loaders.linking import Linker, graph_dictionary
from bali_loaders.releases import synthetic
from bali_platform import services
from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings
from bali_platform.graph.client import Graph
from bali_platform.graph.names import is_withheld, name_key
from bali_platform.jobs import Job, JobState, JobStore, connect
from bali_platform.services.workers import settings_environment
from bali_platform.streaming import BatchKey, InlineSource, Recorder, ReplaySource, encode
from bali_platform.subgraphs import neighbourhoods
from bali_platform.text.corpus import read_sentences
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.spec import DataSpec
from bali_trainers.evaluation import build_name_task, evaluate_names
from bali_trainers.training.submission import prepare

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]

STEPS = 12
TRACE = "0af7651916cd43dd8448eb211c80319c"
CONFIG = f"""
name = "spine"
seed = 7

[model]
base = "minilm"

[data]
corpus = "definitions"
batch_size = 8
max_length = 32
name_length = 12
window = 4
withheld_edges = 0.2

[graph_encoder]
layers = 1

[run]
max_steps = {STEPS}
checkpoint_every = 3
keep = 1
log_every = 1
device = "cpu"
threads = 1
"""
STREAM = """
import json, sys
from hashlib import sha256
from bali_platform.jobs import connect
from bali_platform.jobs.app import request_batch
from bali_platform.streaming import BatchKey, StreamedSource

job, keys = sys.argv[1], json.loads(sys.argv[2])
source = StreamedSource(connect(), job, request_batch(job))
for _, payload in source.batches(BatchKey(*key) for key in keys):
    print(sha256(payload).hexdigest())
"""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def spine(module_settings: Settings, collector: Collector) -> Settings:
    """A home with a graph, a linked corpus and running workers."""
    own = module_settings
    synthetic.write(own.home / "release", concepts=400, seed=1)
    umls.load(own.home / "release", umls.LoadOptions(), own)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in traced(collector).items():
            patch.setenv(name, value)
        services.up(own, workers=True)
    with Graph.connect(own) as graph:
        dictionary = graph_dictionary(graph, own.home / "cache", withheld=0.1)
        write_definitions(graph, Linker(dictionary), own.home / "corpora" / "definitions")
    (own.home / "spine.toml").write_text(CONFIG, encoding="utf-8")
    return own


@pytest.fixture(scope="module")
def undisturbed(spine: Settings, collector: Collector) -> Job:
    """A streamed run that nobody interferes with, queued through the API."""
    with run_server(spine, **traced(collector)) as address:
        headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
        asked = {"json": {"toml": CONFIG}, "headers": headers, "timeout": 120}
        answer = httpx.post(f"{address}/v1/jobs", **asked)
    return finish(spine, JobStore(connect(spine)).get(answer.json()["id"]))


def traced(collector: Collector) -> dict[str, str]:
    """What users of OpenTelemetry set."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.address, "OTEL_BSP_SCHEDULE_DELAY": "300"}


def submit(spine: Settings) -> Job:
    job = prepare(spine.home / "spine.toml", spine)
    store = JobStore(connect(spine))
    return store.submit("train", job.name, job.config, job.spec, spine.home / "jobs")


def finish(spine: Settings, job: Job, disturb: Callable[[Job], None] = lambda job: None) -> Job:
    """Wait for the end of a job, with everything repaired that dies meanwhile."""
    store = JobStore(connect(spine))
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        services.up(spine, workers=True)
        job = store.get(job.id)
        if job.state.ended:
            assert job.state == JobState.SUCCEEDED, job.log.read_text()
            shutil.rmtree(job.folder / "checkpoints")  # a quarter of a gigabyte each
            return job
        disturb(job)
        time.sleep(0.2)
    raise AssertionError(f"{job.state} at step {job.step}: {job.log.read_text()}")


def weights(job: Job) -> str:
    return sha256((job.folder / "model" / "model.safetensors").read_bytes()).hexdigest()


def victims(spine: Settings, job: Job, name: str) -> list[psutil.Process]:
    """The processes of this home that make up one of its services, or a job's trainer."""
    if name in ("redis", "neo4j"):
        record = json.loads((spine.home / "run" / f"{name}.json").read_text())
        return [psutil.Process(record["pid"])]
    words = {
        "worker": ("celery", "subgraphs"),
        "trainer": ("bali_trainers.training.start", job.id),
        "api": ("bali", "serve"),
    }[name]
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = process.environ().get("BALI_HOME") == str(spine.home)
            if ours and all(word in " ".join(process.cmdline()) for word in words):
                found.append(process)
    return found


def test_a_job_is_one_trace_from_the_request_to_the_trainer(
    undisturbed: Job, collector: Collector
) -> None:
    parts = {
        "POST /jobs": None,
        "queue a job": "POST /jobs",
        "wait in the queue": "queue a job",
        "run a job": "queue a job",
        "train": "run a job",
        "steps to a checkpoint": "train",
        "bali.build_batch": "train",
    }
    deadline = time.monotonic() + 60
    while not all(map(collector.named, parts)):
        assert time.monotonic() < deadline, set(parts) - {span.name for span in collector.spans}
        time.sleep(0.1)
    ids = {span.span_id: span for span in collector.spans}
    for part, whole in parts.items():
        for span in collector.named(part):
            assert span.trace_id.hex() == TRACE
            assert whole is None or ids[span.parent_span_id].name == whole
    (run,) = collector.named("run a job")
    told = attributes(run)
    assert (told["bali.job"], told["bali.attempt"]) == (undisturbed.id, 1)
    assert (told["bali.holder"], told["process.exit.code"]) == (undisturbed.holder, 0)
    saved = [attributes(span)["bali.step"] for span in collector.named("steps to a checkpoint")]
    assert saved == [3, 6, 9, 12]
    assert len(collector.named("bali.build_batch")) >= STEPS
    statements = [span for span in collector.spans if span.name.startswith("neo4j ")]
    assert {span.trace_id.hex() for span in statements} == {TRACE}


def test_three_sources_give_the_same_bytes(
    spine: Settings, undisturbed: Job, tmp_path: Path
) -> None:
    keys = [BatchKey(epoch, index) for epoch in (0, 1) for index in range(3)]
    builder = BatchBuilder(DataSpec.model_validate(undisturbed.spec), neighbourhoods(spine))
    inline = InlineSource(lambda key: encode(builder.build(key)))
    recorded = list(Recorder(inline, tmp_path / "batches").batches(keys))
    replayed = list(ReplaySource(tmp_path / "batches").batches(keys))
    streamed = subprocess.run(
        [
            sys.executable,
            "-c",
            STREAM,
            undisturbed.id,
            json.dumps([[k.epoch, k.index] for k in keys]),
        ],
        env=os.environ | settings_environment(spine),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert replayed == recorded
    assert streamed == [sha256(payload).hexdigest() for _, payload in recorded]
    assert len(set(streamed)) == len(keys)


def test_nothing_withheld_reaches_training(spine: Settings) -> None:
    with Graph.connect(spine) as graph:
        shown = {
            name_key(name)
            for _, names in graph.names()
            for place, name in enumerate(names)
            if not (place and is_withheld(name, 0.1))
        }
        withheld = {name_key(name) for _, names in graph.names() for name in names[1:]} - shown
    assert withheld
    for sentence in read_sentences(spine.home / "corpora" / "definitions"):
        for mention in sentence.mentions:
            assert name_key(sentence.text[mention.start : mention.end]) not in withheld


@pytest.mark.parametrize("names", [["trainer"], ["worker", "neo4j", "api"], ["redis"]])
def test_a_kill_changes_no_weight(spine: Settings, undisturbed: Job, names: list[str]) -> None:
    killed: dict[str, list[psutil.Process]] = {}

    def disturb(job: Job) -> None:
        if not killed and job.step >= 4:
            for name in names:
                killed[name] = victims(spine, job, name)
                for process in killed[name]:
                    process.kill()

    with run_server(spine) if "api" in names else nullcontext():
        job = finish(spine, submit(spine), disturb)

    assert all(killed[name] for name in names)
    assert weights(job) == weights(undisturbed)
    shutil.rmtree(job.folder)


def test_trained_model_answers(spine: Settings, undisturbed: Job) -> None:
    lines = (undisturbed.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    with Graph.connect(spine) as graph:
        task = build_name_task(graph.names(), withheld=0.1, limit=20)
    (outcome,) = evaluate_names(str(undisturbed.folder / "model"), task)
    assert set(outcome.scores) >= {"acc@1", "acc@5"}
    assert len(outcome.scores["acc@1"]) == len(task.queries)


def test_a_second_machine_needs_the_addresses_and_a_copy_of_the_corpus(
    spine: Settings, undisturbed: Job, tmp_path: Path
) -> None:
    services.down(spine, ["worker-subgraphs", "worker-gpu"])
    shutil.copytree(spine.home / "corpora" / "definitions", tmp_path / "corpora" / "a copy")
    job = submit(spine)
    with (
        hidden(spine.home / "corpora"),
        hidden(spine.home / "jobs"),
        second_machine(spine, tmp_path),
    ):
        job = ended(spine, job)
    assert job.state == JobState.SUCCEEDED, job.message
    assert job.folder == tmp_path / "jobs" / job.id
    assert weights(job) == weights(undisturbed)


@contextmanager
def hidden(folder: Path) -> Iterator[None]:
    """Keep a folder out of sight, as on another machine."""
    away = folder.rename(folder.with_name(f"{folder.name} of the first machine"))
    try:
        yield
    finally:
        away.rename(folder)


@contextmanager
def second_machine(spine: Settings, home: Path) -> Iterator[None]:
    """Run a worker that shares nothing with ``spine`` but the addresses of its services."""
    neo4j = services.neo4j_login(spine)
    variables = {name: text for name, text in os.environ.items() if not name.startswith("BALI_")}
    variables |= {
        "BALI_HOME": str(home),
        "BALI_NEO4J_URI": neo4j.neo4j_uri,
        "BALI_NEO4J_PASSWORD": neo4j.neo4j_password,
        "BALI_REDIS_URL": services.redis_url(spine),
    }
    command = [sys.executable, "-m", "bali", "worker", "--concurrency", "1"]
    with subprocess.Popen(command, env=variables) as worker:
        try:
            yield
        finally:
            worker.terminate()


def ended(spine: Settings, job: Job) -> Job:
    """Wait for a job that somebody else looks after."""
    store, deadline = JobStore(connect(spine)), time.monotonic() + 300
    while not (job := store.get(job.id)).state.ended:
        assert time.monotonic() < deadline, f"{job.state} at step {job.step}"
        time.sleep(0.2)
    return job


def test_trained_model_is_asked_about_edges_that_it_never_saw(
    spine: Settings, undisturbed: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings_environment(spine).items():
        monkeypatch.setenv(name, value)
    model = str(undisturbed.folder / "model")
    ask = [model, "--withheld-edges", "0.2", "--queries", "15", "--json"]
    result = CliRunner().invoke(app, ["evaluate", "edges", *ask], catch_exceptions=False)
    report = json.loads(result.stdout)
    assert report["facts"]["asked"] == 15
    assert list(report["sections"]["all"]["models"]) == [
        f"{model}, {view}" for view in ("name", "graph", "alone")
    ]
    with pytest.raises(BaliError, match="no relation type has 20 pairs among 15 withheld"):
        CliRunner().invoke(app, ["evaluate", "pairs", *ask], catch_exceptions=False)
