"""A trainer's reports: delivered late rather than never, and only while the job is its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from tests.platform.jobs.claims import claim as claim_job

from bali_platform.jobs import JobReporter, JobState, JobStore, LeaseLostError
from bali_platform.jobs.lease import Lease

pytestmark = pytest.mark.services


def claim(redis: Redis, folder: Path) -> tuple[JobStore, Lease]:
    store = JobStore(redis)
    store.submit("toy", "t", {}, {}, folder)
    lease = claim_job(store)
    assert lease
    return store, lease


def reporter(lease: Lease, redis: Redis) -> JobReporter:
    return JobReporter(JobStore(redis), lease.job.id, lease.job.holder)


def test_reports_reach_the_record(redis_client: Redis, tmp_path: Path) -> None:
    store, lease = claim(redis_client, tmp_path)
    with reporter(lease, redis_client) as reports:
        reports.metrics(10, 30, {"loss": 2.5})
        reports.metrics(20, 30, {"loss": 1.5})
        reports.event("checkpoint", step=20)
        reports.artefact("model", tmp_path / "model")
    job = store.get(lease.job.id)
    assert (job.step, job.total, job.metrics) == (20, 30, {"loss": 1.5})
    assert job.artefacts == {"model": str(tmp_path / "model")}
    assert [event.type for event in store.events(job.id)][-2:] == ["checkpoint", "artefact"]
    assert [values for _, values in store.metrics(job.id)] == [
        {"step": 10, "loss": 2.5},
        {"step": 20, "loss": 1.5},
    ]


def test_a_request_to_cancel_is_seen(redis_client: Redis, tmp_path: Path) -> None:
    store, lease = claim(redis_client, tmp_path)
    with reporter(lease, redis_client) as reports:
        assert not reports.cancelled()
        store.request_cancel(lease.job.id)
        wait_for(reports.cancelled)


def test_nothing_is_lost_or_raised_while_redis_is_away(mortal_redis: Any, tmp_path: Path) -> None:
    store, lease = claim(mortal_redis.client(), tmp_path)
    with reporter(lease, mortal_redis.client()) as reports:
        mortal_redis.kill()
        for step in range(1, 101):
            reports.metrics(step, 100, {"loss": 1 / step})
        assert not reports.cancelled()
        mortal_redis.start()
    assert store.get(lease.job.id).step == 100
    assert [values["step"] for _, values in store.metrics(lease.job.id)] == [*range(1, 101)]


def test_reports_wait_for_a_record_that_redis_has_lost(redis_client: Redis, tmp_path: Path) -> None:
    store, lease = claim(redis_client, tmp_path)
    with reporter(lease, redis_client) as reports:
        redis_client.flushall()
        reports.metrics(5, 10, {"loss": 1.0})
        reports.cancelled()
        assert lease.renew()
    assert store.get(lease.job.id).step == 5


def test_a_trainer_that_lost_its_job_is_stopped_and_cannot_write(
    redis_client: Redis, tmp_path: Path
) -> None:
    store, lease = claim(redis_client, tmp_path)
    late = reporter(lease, redis_client)
    assert lease.give_back("its worker was lost")
    second = claim_job(store)
    assert second
    with pytest.raises(LeaseLostError, match="was taken back from this process"):
        for _ in range(1000):
            late.metrics(99, 100, {"loss": 9.9})
            time.sleep(0.01)
    late.close()
    assert store.get(lease.job.id) == second.job
    assert list(store.metrics(lease.job.id)) == []


def test_a_job_that_ended_elsewhere_stops_its_trainer(redis_client: Redis, tmp_path: Path) -> None:
    _, lease = claim(redis_client, tmp_path)
    with reporter(lease, redis_client) as reports:
        assert lease.end(JobState.FAILED)
        with pytest.raises(LeaseLostError):
            wait_for(reports.cancelled)


def test_closing_gives_up_on_a_redis_that_stays_away(mortal_redis: Any, tmp_path: Path) -> None:
    _, lease = claim(mortal_redis.client(), tmp_path)
    reports = reporter(lease, mortal_redis.client())
    mortal_redis.kill()
    reports.event("never heard")
    reports.close(patience_s=0.1)
    assert not reports.cancelled()


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
