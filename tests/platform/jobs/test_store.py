"""Job records: complete, atomic, append-only, and back again when Redis has lost them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from redis import Redis
from tests.platform.jobs.claims import claim

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.jobs import Job, JobNotFoundError, JobState, JobStore, code_version

pytestmark = pytest.mark.services


@pytest.fixture
def store(redis_client: Redis) -> JobStore:
    return JobStore(redis_client)


@pytest.fixture
def job(store: JobStore, tmp_path: Path) -> Job:
    return store.submit("toy", "first", {"seed": 1}, {"graph_version": "g1"}, tmp_path)


def end(store: JobStore, state: JobState) -> Job:
    lease = claim(store)
    assert lease
    assert lease.end(state)
    return store.get(lease.job.id)


def test_a_submitted_job_is_queued_with_all_that_it_depends_on(store: JobStore, job: Job) -> None:
    found = store.get(job.id)
    assert found == job
    assert found.state == JobState.QUEUED
    assert found.spec == {"graph_version": "g1"}
    assert found.code_version == code_version()
    assert json.loads((job.folder / "config.json").read_text()) == {"seed": 1}
    assert json.loads((job.folder / "spec.json").read_text()) == {"graph_version": "g1"}
    assert [event.type for event in store.events(job.id)] == ["submitted"]


def test_a_folder_that_cannot_be_written_is_one_clear_line(store: JobStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BaliError, match=r"cannot write the job to .*Not a directory"):
        store.submit("toy", "t", {}, {}, tmp_path / "file")
    assert store.ids() == []


def test_jobs_are_found_by_the_beginning_of_their_id(
    store: JobStore, job: Job, tmp_path: Path
) -> None:
    assert store.find(job.id[:5]) == job
    others = [store.submit("toy", "t", {}, {}, tmp_path) for _ in range(2)]
    with pytest.raises(UsageError, match="several jobs begin with"):
        store.find("")
    with pytest.raises(JobNotFoundError, match="no job zz: `bali jobs list` shows them"):
        store.find("zz")
    assert [found.id for found in store.list()] == [others[1].id, others[0].id, job.id]


def test_jobs_come_along_with_a_home_that_moves(redis_client: Redis, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    job = JobStore(redis_client, old).submit("toy", "t", {}, {}, old / "jobs")
    artefacts = {"model": str(job.folder / "model"), "elsewhere": "/elsewhere"}
    JobStore(redis_client, old).change(job.id, {"artefacts": artefacts})
    old.rename(new)
    moved = JobStore(redis_client, new).get(job.id)
    assert moved.folder == new / "jobs" / job.id
    assert moved.artefacts == {"model": str(moved.folder / "model"), "elsewhere": "/elsewhere"}
    (found,) = JobStore(redis_client, new).list()
    assert found == moved


def test_events_do_not_grow_without_end(store: JobStore, job: Job) -> None:
    with store.redis.pipeline() as pipeline:
        for _ in range(12_000):
            pipeline.xadd(f"bali:job:{{{job.id}}}:events", {"type": "old", "data": "{}"})
        pipeline.execute()
    store.event(job.id, "newest")
    events = list(store.events(job.id))
    assert len(events) < 10_500
    assert events[-1].type == "newest"


def test_jobs_are_found_by_their_state(store: JobStore, job: Job, tmp_path: Path) -> None:
    other = store.submit("toy", "t", {}, {}, tmp_path)
    store.request_cancel(job.id)
    assert list(store.states().items()) == [(other.id, "queued"), (job.id, "cancelled")]
    assert store.list(JobState.QUEUED) == [other]
    assert store.summaries([other.id, "gone"]) == [other.model_copy(update={"config": {}})]
    assert store.list(JobState.CANCELLED, JobState.FAILED) == [store.get(job.id)]


def test_a_change_happens_only_when_its_expectations_hold(store: JobStore, job: Job) -> None:
    assert not store.change(job.id, {"step": 5}, expect={"state": "running"})
    assert not store.change(job.id, {"step": 5}, expect={"attempt": 1, "state": "queued"})
    assert store.get(job.id) == job
    assert store.change(job.id, {"step": 5}, expect={"attempt": 0, "state": "queued"})
    assert store.get(job.id).step == 5
    with pytest.raises(JobNotFoundError):
        store.change("nothing", {"step": 5})


def test_events_are_read_on_from_where_one_was(store: JobStore, job: Job) -> None:
    store.event(job.id, "checkpoint", step=50)
    store.event(job.id, "checkpoint", step=100)
    first, second, third = store.events(job.id)
    assert (first.type, second.data, third.data) == ("submitted", {"step": 50}, {"step": 100})
    assert first.time <= second.time <= third.time
    assert [*store.events(job.id, second.id)] == [third]


def test_a_queued_job_is_cancelled_at_once_and_resumes(store: JobStore, job: Job) -> None:
    assert store.request_cancel(job.id).state == JobState.CANCELLED
    assert claim(store) is None
    with pytest.raises(UsageError, match=f"job {job.id} has already cancelled"):
        store.request_cancel(job.id)
    assert store.resume(job.id).state == JobState.QUEUED
    assert claim(store)


def test_a_running_job_is_asked_to_stop(store: JobStore, job: Job) -> None:
    lease = claim(store)
    assert lease
    assert store.request_cancel(job.id).state == JobState.RUNNING
    assert store.cancel_requested(job.id)
    assert lease.give_back("its trainer ended")
    assert store.get(job.id).state == JobState.CANCELLED


def test_only_failed_and_cancelled_jobs_resume(store: JobStore, job: Job) -> None:
    with pytest.raises(UsageError, match="is queued: only failed or cancelled"):
        store.resume(job.id)
    assert end(store, JobState.FAILED).finished_at
    resumed = store.resume(job.id)
    assert (resumed.state, resumed.finished_at, resumed.stalls) == (JobState.QUEUED, None, 0)
    assert end(store, JobState.SUCCEEDED)
    with pytest.raises(UsageError, match="is succeeded: only"):
        store.resume(job.id)


def test_lost_records_come_back_from_their_folders(
    store: JobStore, job: Job, tmp_path: Path
) -> None:
    ended = end(store, JobState.FAILED)
    queued = store.submit("toy", "second", {}, {}, tmp_path)
    store.redis.flushall()
    (tmp_path / "job.json").write_text("{}")
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "job.json").write_text("{half a rec")
    store.recover(tmp_path)
    assert [found.id for found in store.list()] == [queued.id, ended.id]
    assert store.get(job.id) == ended
    assert store.get(queued.id) == queued
    assert [event.type for event in store.events(job.id)] == ["restored"]


def test_what_a_redis_drops_when_it_is_full_comes_back(
    store: JobStore, job: Job, tmp_path: Path
) -> None:
    for dropped in (f"bali:job:{{{job.id}}}", "bali:jobs"):
        store.redis.delete(dropped)
        store.recover(tmp_path)
        assert store.list() == [job]


def test_recovery_leaves_living_records_alone(store: JobStore, job: Job, tmp_path: Path) -> None:
    store.change(job.id, {"step": 7})
    store.recover(tmp_path)
    store.restore(job)
    assert store.get(job.id).step == 7


def test_old_records_are_pruned_and_stay_away(store: JobStore, job: Job, tmp_path: Path) -> None:
    ended = end(store, JobState.SUCCEEDED)
    queued = store.submit("toy", "second", {}, {}, tmp_path)
    assert store.prune(older_than_s=3600) == []
    assert store.prune(older_than_s=0) == [ended]
    store.recover(tmp_path)
    assert store.ids() == [queued.id]
    assert (job.folder / "config.json").exists()
    assert list(store.redis.scan_iter(f"*{ended.id}*")) == []


def test_a_job_cancelled_in_the_queue_is_as_old_as_that(store: JobStore, job: Job) -> None:
    store.request_cancel(job.id)
    assert store.prune(older_than_s=3600) == []
    assert store.get(job.id).state == JobState.CANCELLED


def test_checkpoints_that_nothing_resumes_are_pruned(store: JobStore, tmp_path: Path) -> None:
    for state in (JobState.SUCCEEDED, JobState.FAILED):
        job = store.submit("toy", state, {}, {}, tmp_path)
        (job.folder / "model").mkdir()
        (job.folder / "checkpoints").mkdir()
        end(store, state)
    succeeded, failed = sorted(store.prune(older_than_s=0), key=lambda job: job.state == "failed")
    assert [path.name for path in succeeded.folder.glob("*/")] == ["model"]
    assert (failed.folder / "checkpoints").is_dir()


def test_fields_of_a_newer_version_are_kept(store: JobStore, job: Job, tmp_path: Path) -> None:
    store.redis.hset(f"bali:job:{{{job.id}}}", "mood", '"good"')
    (found,) = store.list()
    assert found.model_extra == {"mood": "good"}
    assert store.prioritise(job.id, 3).model_extra == {"mood": "good"}
    store.redis.flushall()
    store.recover(tmp_path)
    assert store.get(job.id).model_extra == {"mood": "good"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("state", '"dreaming"'), ("step", '"x"'), ("config", "{half"), ("id", None)],
)
def test_a_record_that_cannot_be_read_is_reported_and_skipped(
    store: JobStore,
    job: Job,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    field: str,
    value: str | None,
) -> None:
    record = f"bali:job:{{{job.id}}}"
    store.redis.hdel(record, field) if value is None else store.redis.hset(record, field, value)
    other = store.submit("toy", "second", {}, {}, tmp_path)
    for _ in range(2):
        assert store.list() == [other]
    assert caplog.text.count(f"job {job.id}: its record cannot be read") == 1
    with pytest.raises(BaliError, match=f"job {job.id}: its record cannot be read"):
        store.get(job.id)
    lease = claim(store)
    assert lease
    assert lease.job.id == other.id


def test_a_job_of_another_installation_is_not_restored(
    store: JobStore, job: Job, tmp_path: Path
) -> None:
    foreign = job.model_copy(update={"id": "0ther000", "installation": "another"})
    (tmp_path / foreign.id).mkdir()
    (tmp_path / foreign.id / "job.json").write_text(foreign.model_dump_json())
    store.recover(tmp_path)
    store.redis.flushall()
    store.recover(tmp_path)
    assert store.ids() == [job.id]
    assert (tmp_path / foreign.id / "job.json").exists()


def test_a_second_machine_brings_neither_its_old_jobs_nor_forgotten_ones(
    store: JobStore, job: Job, tmp_path: Path
) -> None:
    second = tmp_path / "second machine"
    old = job.model_copy(update={"id": "01d00000", "installation": "its own Redis"})
    for copied in (old, job):
        (second / copied.id).mkdir(parents=True)
        (second / copied.id / "job.json").write_text(copied.model_dump_json())
    store.recover(second)
    end(store, JobState.SUCCEEDED)
    store.prune(older_than_s=0)
    store.recover(second)
    assert store.ids() == []
    assert not (second / job.id / "job.json").exists()
    assert (second / old.id / "job.json").exists()
