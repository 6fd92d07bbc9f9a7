"""Leases: one holder at a time, lost ones returned to the queue, late writers kept out."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from tests.platform.jobs.claims import claim as claim_job

from bali_platform.base.errors import UsageError
from bali_platform.jobs import Job, JobState, JobStore
from bali_platform.jobs import lease as lease_module
from bali_platform.jobs.lease import Lease, Reaper

pytestmark = pytest.mark.services


class Queue:
    """A store, a reaper on it and the wake-ups it sent; time stands still until it is moved."""

    def __init__(self, redis: Redis, folder: Path) -> None:
        self.store = JobStore(redis)
        self.folder = folder
        self.woken = 0
        self.reaper = Reaper(self.store, folder, lambda: self.woken, self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def submit(self, **options: Any) -> Job:
        return self.store.submit("toy", "t", {}, {}, self.folder, **options)

    def claim(self) -> Lease:
        lease = claim_job(self.store)
        assert lease
        return lease

    def lapse(self, lease: Lease) -> None:
        """Let a lease run out, as it does when nobody renews it."""
        self.store.redis.delete(f"bali:job:{{{lease.job.id}}}:lease")

    def lose(self, lease: Lease) -> Job:
        """Let a lease run out and the reaper take the job back."""
        self.lapse(lease)
        for now in (0.0, lease_module.GRACE_S):
            self.reaper.sweep(now)
        self.reaper.forget()
        return self.store.get(lease.job.id)


@pytest.fixture
def queue(redis_client: Redis, tmp_path: Path) -> Queue:
    return Queue(redis_client, tmp_path)


def test_a_claim_starts_the_job(queue: Queue) -> None:
    job = queue.submit()
    lease = queue.claim()
    running = queue.store.get(job.id)
    assert lease.job == running
    assert (running.state, running.attempt) == (JobState.RUNNING, 1)
    assert queue.store.lease_left_s(job.id)
    assert claim_job(queue.store) is None


def test_of_many_claimants_one_gets_the_job(queue: Queue) -> None:
    for _ in range(5):
        queue.submit()
        start, leases = threading.Barrier(8), []

        def claim(start: threading.Barrier = start, leases: list[Any] = leases) -> None:
            start.wait()
            leases.append(claim_job(queue.store))

        threads = [threading.Thread(target=claim) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len([lease for lease in leases if lease]) == 1


def test_higher_priority_comes_first_then_age(queue: Queue) -> None:
    jobs = [queue.submit(priority=priority) for priority in (0, 5, 0, 5)]
    queue.store.prioritise(jobs[2].id, 9)
    order = [queue.claim().job.id for _ in jobs]
    assert order == [jobs[2].id, jobs[1].id, jobs[3].id, jobs[0].id]


def test_a_job_that_cannot_run_here_is_left_to_others(queue: Queue) -> None:
    first, second = queue.submit(), queue.submit()
    lease = claim_job(queue.store, {first.id})
    assert lease and lease.job.id == second.id
    assert claim_job(queue.store, {first.id}) is None
    assert queue.claim().job.id == first.id


def test_a_job_of_other_code_is_refused_with_a_message(queue: Queue) -> None:
    job = queue.submit()
    queue.store.change(job.id, {"code_version": "0.0.1+00000000"})
    for _ in range(3):
        assert claim_job(queue.store) is None
    refused = queue.store.get(job.id)
    assert refused.state == JobState.QUEUED
    assert "refused this job of code 0.0.1+00000000" in refused.message
    assert [event.type for event in queue.store.events(job.id)] == ["submitted", "refused"]
    assert f"bali jobs adopt {job.id}" in refused.message
    assert queue.store.adopt(job.id).message == ""
    assert queue.claim().job.id == job.id
    with pytest.raises(UsageError, match="is running: only queued"):
        queue.store.adopt(job.id)


def test_a_renewed_lease_is_never_taken(queue: Queue) -> None:
    queue.submit()
    lease = queue.claim()
    for now in range(100):
        assert lease.renew()
        assert not queue.reaper.sweep(float(now))
    assert lease.end(JobState.SUCCEEDED)


def test_a_lapsed_lease_gives_the_job_to_the_next(queue: Queue) -> None:
    job = queue.submit()
    first = queue.claim()
    assert queue.lose(first).state == JobState.QUEUED
    assert queue.woken == 1, "the next one need not wait for another sweep"
    second = queue.claim()
    assert second.job.attempt == 2
    assert not first.renew()
    assert not first.end(JobState.SUCCEEDED)
    assert not first.give_back("too late")
    assert queue.store.get(job.id) == second.job
    assert second.end(JobState.SUCCEEDED)


def test_a_lease_that_is_not_renewed_is_looked_at_again_soon(queue: Queue) -> None:
    queue.submit()
    lease = queue.claim()
    for left, soon in ((lease_module.TIME_TO_LIVE_S, False), (2.0, True)):
        queue.store.change(lease.job.id, lease_s=left, holder=lease.job.holder)
        assert queue.reaper.sweep(0.0) == soon
    assert queue.store.get(lease.job.id).state == JobState.RUNNING


def test_a_holder_has_time_to_renew_after_an_outage(queue: Queue) -> None:
    queue.submit()
    lease = queue.claim()
    queue.lapse(lease)
    assert queue.reaper.sweep(0.0), "it has to look again soon"
    queue.reaper.sweep(lease_module.GRACE_S - 0.1)
    assert lease.renew()
    queue.reaper.sweep(lease_module.GRACE_S + 0.1)
    assert queue.store.get(lease.job.id).state == JobState.RUNNING


def test_time_during_an_outage_does_not_count(queue: Queue) -> None:
    queue.submit()
    lease = queue.claim()
    queue.lapse(lease)
    queue.reaper.sweep(0.0)
    queue.reaper.forget()
    queue.reaper.sweep(lease_module.GRACE_S)
    assert queue.store.get(lease.job.id).state == JobState.RUNNING


def test_a_holder_restores_a_lost_record(queue: Queue) -> None:
    job = queue.submit()
    lease = queue.claim()
    queue.store.redis.flushall()
    assert lease.renew()
    assert queue.store.lease_left_s(job.id)
    assert lease.end(JobState.SUCCEEDED)
    assert queue.store.get(job.id).state == JobState.SUCCEEDED


def test_the_reaper_restores_lost_records_and_wakes_a_worker(queue: Queue) -> None:
    job = queue.submit()
    queue.store.redis.flushall()
    queue.reaper.sweep(0.0)
    assert queue.store.get(job.id) == job
    assert queue.woken == 1
    queue.reaper.sweep(1.0)
    assert queue.woken == 1, "a message waits already"


def test_nothing_queued_wakes_nobody(queue: Queue) -> None:
    queue.submit()
    assert queue.claim().end(JobState.SUCCEEDED)
    queue.reaper.sweep(0.0)
    assert queue.woken == 0


def test_a_job_that_gets_nowhere_fails(queue: Queue) -> None:
    job = queue.submit(retries=3)
    for _ in range(2):
        assert queue.claim().give_back("RuntimeError: out of memory")
    assert queue.store.get(job.id).stalls == 2
    assert queue.claim().give_back("RuntimeError: out of memory")
    failed = queue.store.get(job.id)
    assert failed.state == JobState.FAILED
    assert failed.message == "no progress in 3 attempts: RuntimeError: out of memory"
    assert failed.finished_at


def test_progress_and_interruptions_do_not_count_as_failures(queue: Queue) -> None:
    job = queue.submit(retries=2)
    for step in range(10, 60, 10):
        lease = queue.claim()
        queue.store.change(job.id, {"step": step})
        assert queue.lose(lease).state == JobState.QUEUED
    for _ in range(5):
        assert queue.claim().give_back("it was interrupted", fault=False)
    assert queue.store.get(job.id).stalls == 0
    assert queue.lose(queue.claim()).stalls == 1
    assert queue.lose(queue.claim()).state == JobState.FAILED


def test_a_lost_job_that_was_to_be_cancelled_is_cancelled(queue: Queue) -> None:
    job = queue.submit()
    lease = queue.claim()
    queue.store.request_cancel(job.id)
    assert queue.lose(lease).state == JobState.CANCELLED


def test_after_a_failover_that_lost_a_claim_only_one_holder_is_left(queue: Queue) -> None:
    job = queue.submit()
    before = queue.store.redis.hgetall(f"bali:job:{{{job.id}}}")
    first = queue.claim()
    queue.store.redis.hset(
        f"bali:job:{{{job.id}}}", mapping=before
    )  # the claim was the last second
    queue.lapse(first)
    second = queue.claim()
    assert first.job.attempt == second.job.attempt == 1
    assert not first.renew()
    assert not first.end(JobState.SUCCEEDED)
    assert not first.give_back("too late")
    assert not first.move(queue.folder)
    assert queue.store.redis.get(f"bali:job:{{{job.id}}}:lease") == second.job.holder.encode()
    assert second.renew()
    assert second.end(JobState.SUCCEEDED)


def test_a_record_of_an_older_version_is_claimed(queue: Queue) -> None:
    job = queue.submit()
    queue.store.redis.hdel(f"bali:job:{{{job.id}}}", "holder", "installation")
    assert queue.claim().end(JobState.SUCCEEDED)
