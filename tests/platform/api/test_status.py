"""The platform at a glance, as far as Redis alone knows it."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from bali_platform.api.backend import Backend
from bali_platform.api.routes.service import read_status
from bali_platform.base.settings import Settings
from bali_platform.jobs import JobState, JobStore, cards

pytestmark = pytest.mark.services


def test_cards_are_shown_with_the_job_that_runs_on_them(
    mortal_redis: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Backend(Settings(home=tmp_path, redis_url=mortal_redis.url))
    store = JobStore(backend.redis, tmp_path)
    machine = (cards.Card("GPU-a1", "T4", 16_000), cards.Card("GPU-b2", "H200", 144_000))
    monkeypatch.setattr(cards, "inventory", lambda: machine)
    cards.publish_cards(backend.redis)
    job = store.submit("train", "a-job", {}, {}, tmp_path / "jobs")
    place = f"{socket.gethostname()} GPU-b2"
    store.change(job.id, {"state": JobState.RUNNING, "place": place})
    free, used = read_status(backend).cards
    assert (free.uuid, free.name, free.memory_mb, free.job) == ("GPU-a1", "T4", 16_000, None)
    assert (used.uuid, used.job) == ("GPU-b2", job.id)
    assert used.temperature is None, "there is no such card"
    backend.redis.delete(f"{cards.HOSTS}:{socket.gethostname()}")  # its worker has ended
    assert read_status(backend).cards == []
