"""What a worker makes of the ways in which a trainer can end, and of its own condition."""

from __future__ import annotations

import fcntl
import json
import signal
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from bali_platform.base.logs import about
from bali_platform.base.settings import Settings
from bali_platform.jobs import JobState, JobStore, training
from bali_platform.jobs.cards import Cards
from bali_platform.jobs.lease import claim_next
from bali_platform.jobs.queues import GPU, SUBGRAPHS, waiting

TICKING = """
import sys, time
from pathlib import Path
folder = Path(sys.argv[1])
while not (folder / "enough").exists():
    with (folder / "ticks").open("a") as file:
        file.write(".")
    time.sleep(0.05)
"""

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]


def test_trainers_that_fail(farm: Any) -> None:
    farm.start_worker("gpu")
    unusable = farm.submit(exit=2, message="config.json: unknown key 'bacth_size'")
    broken = farm.submit(exit=1, message="part-00003.parquet is damaged")
    job = farm.wait(unusable)
    assert (job.state, job.attempt) == (JobState.FAILED, 1)
    assert job.message == "config.json: unknown key 'bacth_size' (exit code 2)"
    job = farm.wait(broken)
    assert (job.state, job.attempt) == (JobState.FAILED, 2)
    assert job.message == ("no progress in 2 attempts: part-00003.parquet is damaged (exit code 1)")
    assert job.log.read_text().count("--- attempt") == 2


def test_what_a_configuration_asks_in_vain_is_tried_once(farm: Any) -> None:
    farm.start_worker("gpu")
    config = {"name": "x", "run": {"device": "cuda:99"}}
    spec = {"corpus": "c", "corpus_sha": "", "graph_version": "", "relation_types": []}
    spec |= {"seed": 0, "tokenizer": "t", "tokenizer_sha": "", "batch_size": 1, "max_length": 8}
    job = farm.wait(farm.store.submit("train", "x", config, spec, farm.home / "jobs"))
    assert (job.state, job.attempt) == (JobState.FAILED, 1)
    assert "device 'cuda:99': torch sees" in job.message


def test_a_request_is_followed_through_worker_and_trainer(farm: Any) -> None:
    farm.start_worker("gpu", BALI_LOG_FORMAT="json")
    with about(request="r-1"):
        job = farm.submit(exit=2, message="no such corpus")
    assert farm.wait(job).message == "no such corpus (exit code 2)"
    told = [json.loads(line) for line in farm.log().splitlines() if '"job"' in line]
    assert {(line["job"], line["request"]) for line in told} == {(job.id, "r-1")}
    error = json.loads(job.log.read_text().splitlines()[-1])
    assert (error["message"], error["request"]) == ("error: no such corpus", "r-1")


def test_a_job_of_no_known_kind_fails(farm: Any) -> None:
    farm.start_worker("gpu")
    job = farm.store.submit("dance", "t", {}, {}, farm.home / "jobs", retries=1)
    assert "cannot start: 'dance'" in farm.wait(job).message


def test_a_crash_after_progress_is_tried_again_until_there_is_no_more(farm: Any) -> None:
    farm.start_worker()
    job = farm.wait(farm.submit(steps=40, crash_at=12))
    assert job.state == JobState.FAILED
    assert job.attempt == 3, "the first attempt got somewhere, two more did not"
    assert "RuntimeError: out of toys" in job.message


def test_cancelling_a_running_job_leaves_a_checkpoint_from_which_it_resumes(farm: Any) -> None:
    farm.start_worker()
    job = farm.submit(steps=200, pace=0.05)
    farm.wait_for_step(job, 12)
    farm.store.request_cancel(job.id)
    cancelled = farm.wait(job)
    assert cancelled.state == JobState.CANCELLED
    assert (job.folder / "checkpoints" / "newest.json").exists()
    farm.store.resume(job.id)
    assert farm.wait(job).state == JobState.SUCCEEDED
    (resumed,) = [event for event in farm.store.events(job.id) if event.type == "resumed"]
    assert resumed.data["step"] >= 12


def test_a_trainer_that_does_not_stop_is_killed(farm: Any) -> None:
    farm.start_worker("gpu")
    job = farm.submit(steps=10)
    farm.wait(job, JobState.RUNNING)
    farm.store.request_cancel(job.id)
    assert farm.wait(job).state == JobState.CANCELLED
    assert not farm.processes("toy_trainer", "--job")


def test_a_poisoned_batch_fails_the_job_with_its_reason(farm: Any) -> None:
    farm.start_worker()
    job = farm.wait(farm.submit(steps=20, poison=True))
    assert job.state == JobState.FAILED
    assert "batch of epoch 0, index 7, rank 0 cannot be built: poisoned" in job.message


def test_one_worker_runs_one_job_at_a_time(farm: Any) -> None:
    farm.start_worker()
    jobs = [farm.submit(steps=40) for _ in range(3)]
    while not all(farm.now(job).state.ended for job in jobs):
        assert [farm.now(job).state for job in jobs].count(JobState.RUNNING) <= 1
    assert {farm.now(job).state for job in jobs} == {JobState.SUCCEEDED}


def test_two_workers_share_the_queue(farm: Any) -> None:
    farm.start_worker("subgraphs,gpu")
    farm.start_worker("gpu", device="1")
    jobs = [farm.submit(steps=60, pace=0.05) for _ in range(2)]
    farm.wait_for(lambda: [farm.now(job).state for job in jobs] == [JobState.RUNNING] * 2)
    assert {farm.wait(job).state for job in jobs} == {JobState.SUCCEEDED}


def test_a_worker_runs_as_many_jobs_as_cards_are_free(farm: Any) -> None:
    names = [f"{farm.home.name}-{number}" for number in range(3)]
    farm.start_worker(TOY_CARDS=" ".join(names))
    wide = farm.submit(steps=20, cards=4)
    first, second = (farm.submit(steps=1000, pace=0.1, cards=cards) for cards in (2, 1))
    third = farm.submit(steps=5, cards=2)
    for job in (first, second):
        farm.wait(job, JobState.RUNNING)
    assert farm.now(third).state == JobState.QUEUED
    used = [farm.now(job).place.split()[1:] for job in (first, second)]
    assert [len(cards) for cards in used] == [2, 1]
    assert sorted([*used[0], *used[1]]) == [f"GPU-{name}" for name in names]
    for job, cards in zip((first, second), used, strict=True):
        shown = f" on {','.join(cards)}\n"
        farm.wait_for(lambda job=job, shown=shown: shown in job.log.read_text())
        farm.store.request_cancel(job.id)
        assert farm.wait(job).state == JobState.CANCELLED
    assert farm.wait(third).state == JobState.SUCCEEDED
    assert farm.now(wide).message == "it needs 4 cards, and there are 3 here"


def test_a_trainer_stands_still_while_its_lease_may_be_over(
    mortal_redis: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ticking.py").write_text(TICKING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("BALI_HOME", str(tmp_path))
    monkeypatch.setitem(training.PROGRAMS, "tick", "ticking")
    monkeypatch.setattr(training, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(training, "TIME_TO_LIVE_S", 1.0)
    store = JobStore(mortal_redis.client())
    job = store.submit("tick", "t", {}, {}, tmp_path / "jobs")
    ticks = job.folder / "ticks"
    stood_still: list[bool] = []

    def take_redis_away() -> None:
        while not ticks.exists():
            time.sleep(0.05)
        mortal_redis.kill()
        time.sleep(3)
        seen = ticks.stat().st_size
        time.sleep(1)
        stood_still.append(ticks.stat().st_size == seen)
        mortal_redis.start()
        (job.folder / "enough").touch()

    thread = Thread(target=take_redis_away)
    thread.start()
    claimed = claim_next(store, Cards([], Settings(home=tmp_path), tmp_path))
    assert claimed
    training.run_job(*claimed, Event())
    thread.join()
    assert stood_still == [True]
    assert (store.get(job.id).state, store.get(job.id).attempt) == (JobState.SUCCEEDED, 1)


def test_a_folder_in_use_keeps_a_second_trainer_out(farm: Any) -> None:
    farm.start_worker()
    job = farm.submit(steps=20)
    with (job.folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        farm.wait_for(lambda: "a trainer still works in its folder" in farm.now(job).message)
        farm.wait_for(lambda: farm.events(job).count("given back") == 2)
        assert not (job.folder / "weights").exists()
    first, second = [event for event in farm.store.events(job.id) if event.type == "given back"]
    assert second.time - first.time > 0.4, "it is not claimed again and again meanwhile"
    assert farm.wait(job).state == JobState.SUCCEEDED


def test_a_full_disk_is_no_fault_of_a_job(farm: Any) -> None:
    job = farm.submit(steps=20, retries=1)
    job.log.symlink_to("/dev/full")
    farm.start_worker()
    farm.wait_for(lambda: farm.events(job).count("given back") > 1)
    assert "No space left on device" in farm.now(job).message
    job.log.unlink()
    assert farm.wait(job).state == JobState.SUCCEEDED


def test_workers_of_old_code_are_replaced_once_no_job_needs_them(farm: Any) -> None:
    farm.start_worker()
    job = farm.submit(steps=80, pace=0.05)
    farm.wait_for_step(job, 5)
    (farm.home / "changed").touch()
    assert farm.wait_for_step(job, 60).state == JobState.RUNNING
    assert "the code has changed" not in farm.log()
    assert farm.wait(job).state == JobState.SUCCEEDED
    for queue in ("subgraphs", "gpu"):
        farm.wait_for(lambda queue=queue: f"replacing the {queue} worker" in farm.log())
        farm.wait_for(lambda queue=queue: f"the {queue} worker ended (0)" in farm.log())


def test_a_worker_that_stops_consuming_replaces_itself(farm: Any) -> None:
    farm.start_worker("subgraphs")
    farm.wait_for(lambda: "ready" in farm.log())
    farm.run("from bali_platform.jobs.app import app; app.control.cancel_consumer('subgraphs')")
    farm.wait_for(lambda: "no longer accepts" in farm.log() or "Canceling queue" in farm.log())
    farm.run(
        "from bali_platform.jobs.app import app; app.send_task('bali.train', queue='subgraphs')"
    )
    farm.wait_for(lambda: "messages wait, but this worker takes none" in farm.log())
    farm.wait_for(lambda: waiting(farm.store.redis, SUBGRAPHS) == 0)


def test_requests_that_nobody_takes_do_not_pile_up(farm: Any) -> None:
    farm.run(
        "from bali_platform.jobs import app\n"
        "from bali_platform.streaming import BatchKey\n"
        "app.MOST_WAITING = 5\n"
        "for index in range(20): app.request_batch('job')(BatchKey(0, index))"
    )
    assert waiting(farm.store.redis, SUBGRAPHS) == 5


def test_a_hung_worker_is_killed_and_replaced(farm: Any) -> None:
    farm.start_worker("gpu")
    farm.wait_for(lambda: "ready" in farm.log())
    (main,) = farm.processes("toy_worker.py gpu")
    main.send_signal(signal.SIGSTOP)
    farm.wait_for(lambda: "the gpu worker hangs: killing it" in farm.log())
    farm.wait_for(lambda: not main.is_running())
    farm.wait_for(lambda: farm.processes("toy_worker.py gpu"))
    assert waiting(farm.store.redis, GPU) == 0
