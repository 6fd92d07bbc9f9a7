"""Jobs side by side."""

from __future__ import annotations

from typing import Any

import pytest

from bali_platform.jobs import JobStore
from bali_platform.jobs.comparison import POINTS, compare, differing

pytestmark = pytest.mark.services


def test_only_settings_that_differ_are_shown() -> None:
    assert differing([{"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1}]) == {"b": (2, 3, None)}
    assert differing([{"a": 1}]) == {}


def test_jobs_are_compared_by_what_they_came_to(redis_client: Any, tmp_path: Any) -> None:
    store = JobStore(redis_client)
    ids = []
    for rate in (1e-5, 2e-5):
        config = {"name": f"rate-{rate}", "data": {"window": 8}, "optimiser": {"text_lr": rate}}
        job = store.submit("train", f"rate-{rate}", config, {"graph_version": "g"}, tmp_path)
        ids.append(job.id)
    started = store.transition(store.get(ids[0]), "started", started_at=60.0)
    assert started
    store.transition(started, "ended", finished_at=240.0)
    for step, loss, top1 in ((1, 3.0, 0.1), (2, 9.9, 0.9), (2, 1.0, 0.5), (3, 2.0, 0.4)):
        row = {"step": step, "loss": loss, "alignment/top1": top1, "sentences_s": 1.0}
        store.change(ids[0], metrics=row)
    found = compare(store, ids)
    assert found.settings == {"optimiser.text_lr": (1e-5, 2e-5)}
    first, second = found.jobs
    assert (first.id, first.minutes) == (ids[0], 3.0)
    assert {name: (m.last, m.best, m.step) for name, m in first.metrics.items()} == {
        "loss": (2.0, 1.0, 2),
        "alignment/top1": (0.4, 0.5, 2),
    }, "a step that a resumed run made again counts once"
    assert [row["loss"] for row in first.curve] == [3.0, 1.0, 2.0]
    assert (second.minutes, second.metrics, second.curve) == (None, {}, ())


def test_curves_are_thinned(redis_client: Any, tmp_path: Any) -> None:
    store = JobStore(redis_client)
    job = store.submit("train", "long", {}, {}, tmp_path)
    for step in range(1, POINTS * 2 + 2):
        store.change(job.id, metrics={"step": step, **({"dev/loss": 0.5} if step == 4 else {})})
    curve = compare(store, [job.id]).jobs[0].curve
    assert len(curve) <= POINTS
    assert [row["step"] for row in curve][-1] == POINTS * 2 + 1
    assert sum("dev/loss" in row for row in curve) == 1
