"""A disk that is full is no fault of a job, which waits until there is room somewhere."""

from __future__ import annotations

from typing import Any

import pytest

from bali_platform.jobs import JobState

pytestmark = [pytest.mark.mounts, pytest.mark.timeout(600)]


def test_a_trainer_that_dies_of_a_full_disk_does_not_use_up_attempts(farm: Any, mount: Any) -> None:
    disk = mount(farm.home / "jobs")
    job = farm.submit(steps=200, pace=0.05, retries=1)
    farm.start_worker()
    farm.wait_for_step(job, 12)
    disk.fill()
    farm.wait_for(lambda: farm.events(job).count("given back") == 2)
    disk.free()
    ended = farm.wait(job)
    assert (ended.state, ended.stalls) == (JobState.SUCCEEDED, 0), ended.message
    events = [event for event in farm.store.events(job.id) if event.type == "given back"]
    for event, pause in zip(events, (5, 10), strict=False):
        assert "no room on" in event.data["message"]
        assert f"which tries again in {pause} s" in event.data["message"]
    assert events[1].time - events[0].time >= 5
    assert "resumed" in farm.events(job)
