"""A job that goes on in another home, which shares nothing with the first but Redis and a store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
import pytest

from bali_platform.base.settings import Settings
from bali_platform.jobs import Job, JobState, JobStore
from bali_platform.services.artefacts import Artefacts
from bali_platform.streaming import BatchKey, InlineSource, Recorder, encode
from bali_trainers.batches.places import tokenizer_sha
from bali_trainers.export import export_run, find_run
from bali_trainers.training.following import bring_checkpoints, open_uploads
from bali_trainers.training.start import main
from bali_trainers.training.submission import prepare

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]
STEPS = 120


@pytest.fixture
def configuration(tmp_path: Path, make_arrays: Any, tiny_model: Callable[..., Path]) -> Path:
    """A run on a recording, which goes away with the machine that made it."""
    first = tmp_path / "first"
    shutil.copytree(tiny_model(), first / "tiny")
    spec = {
        "seed": 0,
        "corpus": "/elsewhere/corpus",
        "corpus_sha": "c0",
        "graph_version": "g0",
        "relation_types": ["ISA", "PART_OF", "TREATS"],
        "tokenizer": str(first / "tiny"),
        "tokenizer_sha": tokenizer_sha(tiny_model()),
        "batch_size": 4,
        "max_length": 12,
    }
    source = InlineSource(lambda key: encode(make_arrays(key.index)))
    keys = [BatchKey(epoch, index) for epoch in range(STEPS // 8) for index in range(8)]
    list(Recorder(source, first / "batches", {"spec": spec}).batches(keys))
    (first / "run.toml").write_text(
        f"""
        name = "followed"
        seed = 0
        [model]
        base = '{first / "tiny"}'
        [data]
        source = "replay"
        replay = '{first / "batches"}'
        batch_size = 4
        max_length = 12
        [graph_encoder]
        layers = 1
        [run]
        max_steps = {STEPS}
        checkpoint_every = 10
        log_every = 10
        device = "cpu"
        threads = 1
        """
    )
    return first / "run.toml"


@contextmanager
def worker(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Work on training jobs in a home, until the block ends."""
    environment = os.environ | {
        "BALI_HOME": str(settings.home),
        "BALI_STORE": str(settings.store),
        "BALI_REDIS_URL": settings.redis_url.get_secret_value() if settings.redis_url else "",
        "BALI_NEO4J_URI": "bolt://127.0.0.1:1",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-m", "bali", "worker", "--queues", "gpu"]
    process = subprocess.Popen(command, env=environment)
    try:
        yield process
    finally:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and everything that it has started, as a lost machine would."""
    if process.poll() is None:
        for each in [*psutil.Process(process.pid).children(recursive=True), process]:
            each.kill()
        process.wait()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def weights(folder: Path) -> str:
    return sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()


def test_another_machine_goes_on_from_the_store(
    configuration: Path, mortal_redis: Any, s3: str, tmp_path: Path
) -> None:
    store = f"{s3}/{tmp_path.name}"
    first, second, third = (
        Settings(home=tmp_path / name, store=store, redis_url=mortal_redis.url)
        for name in ("first", "second", "third")
    )
    straight = prepare(configuration, first.model_copy(update={"store": None}))
    jobs = JobStore(mortal_redis.client(), first.home)
    undisturbed = jobs.submit("train", "straight", straight.config, straight.spec, first.home / "u")
    assert main([str(undisturbed.folder)]) == 0
    jobs.forget(undisturbed)
    wanted = weights(undisturbed.folder)

    job: Job = prepare(configuration, first).queue(jobs, first.home / "jobs", retries=2)
    copied = Artefacts(f"{store}/jobs/{job.id}")
    with worker(first) as lost:
        wait_for(lambda: checkpoints(copied))
        kill(lost)
    assert jobs.get(job.id).step < STEPS
    shutil.move(first.home, tmp_path / "lost")
    with worker(second):
        wait_for(lambda: jobs.get(job.id).state.ended)
    ended = JobStore(mortal_redis.client(), second.home).get(job.id)
    assert (ended.state, ended.attempt) == (JobState.SUCCEEDED, 2), ended.message
    resumed = [event.data["step"] for event in jobs.events(job.id) if event.type == "resumed"]
    assert resumed and resumed[0] >= 10
    assert ended.folder == second.home / "jobs" / job.id
    assert weights(ended.folder) == wanted
    rows = [float(line.split('"step": ')[1].split(",")[0]) for line in metrics(ended.folder)]
    assert rows == [1, *range(10, STEPS + 1, 10)]

    brought = find_run(job.id, third)
    export_run(brought, tmp_path / "out" / "model")
    assert weights(tmp_path / "out") == wanted
    assert metrics(brought) == metrics(ended.folder)
    assert checkpoints(copied) == []


def checkpoints(store: Artefacts) -> list[str]:
    """Which ones the holders of a job have left in its part of the store."""
    parts = [store.part(holder) for holder in store.parts()]
    return sorted(name for part in parts for name in part.names("checkpoints"))


def test_who_was_taken_for_lost_harms_nothing_of_its_successor(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders, uploads = [tmp_path / "lost", tmp_path / "next"], []
    settings = Settings(home=tmp_path, store=store_url)
    stored = Artefacts(f"{store_url}/jobs/j")

    def train(holder: int, step: int) -> None:
        folder = folders[holder] / "checkpoints" / f"step-{step:08d}"
        folder.mkdir(parents=True)
        (folder / "state.json").write_text(json.dumps({"facts": {"best": {"step": 0}}}))
        (folder / "weights").write_text(f"after {step}")
        (folders[holder] / "metrics.jsonl").write_text(f"of {holder} until {step}\n")
        uploads[holder].offer(step)
        wait_for(lambda: not [*folders[holder].glob(".upload-*")])

    for holder, folder in enumerate(folders):
        monkeypatch.setenv("BALI_HOLDER", "ba"[holder])  # the names say nothing of their order
        found = open_uploads(settings, "j", folder)
        assert found is not None
        uploads.append(found)
        train(holder, 10 + 10 * holder)
    assert checkpoints(stored) == ["checkpoints/step-00000020"]
    train(0, 20)  # the same step, with metrics of its own
    train(0, 15)
    assert checkpoints(stored) == [f"checkpoints/step-000000{step}" for step in (15, 20)]
    third = tmp_path / "third"
    third.mkdir()
    bring_checkpoints(third, "j", settings)
    assert sorted(path.name for path in (third / "checkpoints").iterdir()) == [
        "step-00000015", "step-00000020",
    ]  # fmt: skip
    assert (third / "checkpoints" / "step-00000020" / "weights").read_text() == "after 20"
    assert (third / "metrics.jsonl").read_text() == "of 1 until 20\n"
    train(1, 30)
    assert checkpoints(stored) == ["checkpoints/step-00000030"]


def metrics(folder: Path) -> list[str]:
    return (folder / "metrics.jsonl").read_text().splitlines()
