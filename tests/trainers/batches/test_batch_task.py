"""The workers' task on a real Redis: what it publishes, and what it tells the trainer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings
from bali_platform.jobs.store import JobStore
from bali_platform.streaming import BatchKey, StreamedSource, encode
from bali_trainers.batches import tasks
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.spec import DataSpec

pytestmark = pytest.mark.services
KEYS = [BatchKey(0, index) for index in (0, 3, 1)]


@pytest.fixture(autouse=True)
def _here(
    redis_client: Redis, settings: Settings, graph: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Let the task find this session's Redis, and a graph that is a dict."""
    monkeypatch.setenv("BALI_HOME", str(settings.home))
    monkeypatch.setattr(tasks, "neighbourhoods", lambda settings: graph)
    forget()
    yield
    forget()


def forget() -> None:
    for remembered in (tasks._redis, tasks._source, tasks._builder):
        remembered.cache_clear()


@pytest.fixture
def submit(
    redis_client: Redis, make_spec: Callable[..., DataSpec], tmp_path: Path
) -> Callable[..., str]:
    def queue(**changes: Any) -> str:
        spec = make_spec(**changes).model_dump(mode="json")
        return JobStore(redis_client).submit("train", "test", {}, spec, tmp_path).id

    return queue


def stream(redis: Redis, job: str, said: list[str] | None = None) -> StreamedSource:
    """A trainer's source whose requests are carried out at once, in its own process."""
    return StreamedSource(
        redis,
        job,
        lambda key: tasks.build_batch(job, key.epoch, key.index, key.rank),
        resend_after=0.1,
        say=(said if said is not None else []).append,
    )


def test_batches_arrive_as_built_inline(
    redis_client: Redis, submit: Callable[..., str], make_builder: Callable[..., BatchBuilder]
) -> None:
    builder = make_builder()
    got = list(stream(redis_client, submit()).batches(KEYS))
    assert got == [(key, encode(builder.build(key))) for key in KEYS]


def test_what_cannot_be_built_fails_the_job(
    redis_client: Redis, submit: Callable[..., str]
) -> None:
    job = submit(corpus_sha="another")
    with pytest.raises(BaliError, match="has changed since the job was queued"):
        list(stream(redis_client, job).batches(KEYS))


def test_a_worker_with_other_code_leaves_the_batch_to_others(
    redis_client: Redis, submit: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, said = submit(), list[str]()
    versions = iter(["old+1", "old+1"])
    real = tasks.code_version
    monkeypatch.setattr(tasks, "code_version", lambda: next(versions, real()))
    batches = list(stream(redis_client, job, said).batches(KEYS))
    assert [key for key, _ in batches] == KEYS
    assert any("restart the workers" in line for line in said)


def test_a_graph_that_changes_under_a_job_fails_it(
    redis_client: Redis, submit: Callable[..., str], graph: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submit()
    assert list(stream(redis_client, job).batches(KEYS[:1]))
    newer = dataclasses.replace(graph, graph_version="test-2")
    monkeypatch.setattr(tasks, "neighbourhoods", lambda settings: newer)
    forget()
    with pytest.raises(BaliError, match="queued for graph test-1 but test-2 is live"):
        list(stream(redis_client, job).batches(KEYS[1:]))
