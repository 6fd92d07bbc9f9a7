"""Whatever is killed, the job ends with the weights of an undisturbed run."""

from __future__ import annotations

import signal
from hashlib import sha256
from typing import Any

import pytest

from bali_platform.jobs import Job, JobState

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]
STEPS = 80


def undisturbed(steps: int) -> str:
    """Return the weights of a run in which nothing happens, without any of the product's code."""
    weights = ""
    for index in range(steps):
        payload = sha256(f"epoch 0, index {index}, rank 0".encode()).digest() * 1000
        weights = sha256(weights.encode() + payload).hexdigest()
    return weights


def assert_undisturbed(farm: Any, job: Job) -> None:
    ended = farm.wait(job)
    assert ended.state == JobState.SUCCEEDED, ended.message + job.log.read_text() + farm.log()
    assert (job.folder / "weights").read_text() == undisturbed(STEPS)


def test_nothing_happens(farm: Any) -> None:
    farm.start_worker()
    job = farm.submit(steps=STEPS)
    assert_undisturbed(farm, job)
    ended = farm.store.get(job.id)
    assert (ended.step, ended.total, ended.attempt) == (STEPS, STEPS, 1)
    assert ended.artefacts == {"weights": str(job.folder / "weights")}
    assert farm.events(job) == ["submitted", "started", "artefact", "succeeded"]
    assert [values["step"] for _, values in farm.store.metrics(job.id)] == [*range(1, STEPS + 1)]


def test_a_killed_trainer_continues_from_its_checkpoint(farm: Any) -> None:
    farm.start_worker()
    job = farm.submit(steps=STEPS)
    farm.wait_for_step(job, 42)
    for process in farm.processes("toy_trainer", "--job"):
        process.kill()
    assert_undisturbed(farm, job)
    assert "given back" in farm.events(job)
    resumed = [event for event in farm.store.events(job.id) if event.type == "resumed"]
    assert resumed[0].data["step"] >= 40


def test_a_killed_subgraph_worker_is_replaced(farm: Any) -> None:
    farm.start_worker()
    job = farm.submit(steps=STEPS)
    farm.wait_for_step(job, 25)
    (main,) = [
        process
        for process in farm.processes("toy_worker.py subgraphs")
        if "supervise" in " ".join(process.parent().cmdline())
    ]
    main.kill()
    assert_undisturbed(farm, job)
    assert "the subgraphs worker ended" in farm.log()


def test_a_killed_worker_takes_its_trainer_with_it_and_another_continues(farm: Any) -> None:
    first = farm.start_worker()
    job = farm.submit(steps=STEPS, pace=0.05)
    farm.wait_for_step(job, 25)
    first.kill()
    farm.wait_for(lambda: not farm.processes())
    farm.start_worker()
    assert_undisturbed(farm, job)
    assert farm.store.get(job.id).attempt == 2


def test_a_worker_that_is_told_to_stop_gives_its_job_back_first(farm: Any) -> None:
    first = farm.start_worker()
    job = farm.submit(steps=STEPS, pace=0.05)
    farm.wait_for_step(job, 20)
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 0
    waiting = farm.store.get(job.id)
    assert (waiting.state, waiting.stalls) == (JobState.QUEUED, 0)
    farm.start_worker()
    assert_undisturbed(farm, job)


@pytest.mark.parametrize("durable", [True, False])
def test_a_killed_redis_loses_no_job(farm: Any, durable: bool) -> None:
    farm.redis.durable = durable
    farm.start_worker()
    job = farm.submit(steps=STEPS, pace=0.05)
    later = farm.submit(steps=STEPS)
    farm.wait_for_step(job, 25)
    farm.redis.kill()
    farm.redis.start()
    assert_undisturbed(farm, job)
    assert_undisturbed(farm, later)
    assert farm.store.get(job.id).attempt == 1
    assert "Redis is back" in job.log.read_text()


def test_a_frozen_worker_is_overtaken_and_cannot_write_any_more(farm: Any) -> None:
    farm.start_worker("subgraphs")
    first = farm.start_worker("gpu")
    job = farm.submit(steps=STEPS, pace=0.05)
    farm.wait_for_step(job, 20)
    frozen = [first, *farm.processes("toy_worker.py gpu"), *farm.processes("toy_trainer", "--job")]
    for process in frozen:
        process.send_signal(signal.SIGSTOP)
    (job.folder / "lock").unlink()  # as on another machine, where no lock keeps the next one out
    second = farm.start_worker("gpu", device="1")
    assert farm.wait(job).state == JobState.SUCCEEDED
    weights = (job.folder / "weights").read_text()
    for process in frozen:
        process.send_signal(signal.SIGCONT)
    farm.wait_for(lambda: not farm.processes("toy_trainer", "--job"))
    assert weights == (job.folder / "weights").read_text() == undisturbed(STEPS)
    ended = farm.store.get(job.id)
    assert (ended.state, ended.step) == (JobState.SUCCEEDED, STEPS)
    assert second.poll() is None


def test_clocks_may_differ_and_jump(farm: Any) -> None:
    behind, jumping = farm.home / "behind", farm.home / "jumping"
    behind.write_text("-86400")
    jumping.write_text("0")
    farm.start_worker_with_clock("subgraphs", behind)
    farm.start_worker_with_clock("subgraphs,gpu", jumping)
    job = farm.submit(steps=STEPS, pace=0.05)
    farm.wait_for_step(job, 15)
    jumping.write_text("86400")
    farm.wait_for_step(job, 45)
    jumping.write_text("-86400")
    assert_undisturbed(farm, job)
    ended = farm.store.get(job.id)
    assert ended.attempt == 1
    assert ended.finished_at < ended.created_at, "the clock did jump"
