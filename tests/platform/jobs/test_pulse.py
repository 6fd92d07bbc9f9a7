"""When a worker finds that it takes no messages any more."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from bali_platform.jobs import pulse


@pytest.mark.parametrize(
    ("checks", "stalled"),
    [(range(0, 40, 5), True), ((0, 5, 160, 165), False), ((0, 160, *range(165, 205, 5)), True)],
    ids=["idle", "after a long job", "idle after a long job"],
)
def test_only_time_without_work_counts(
    checks: Iterable[float], stalled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(pulse, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(pulse, "waiting", lambda redis, queue: 1)
    monkeypatch.setattr(pulse, "connect", lambda: object())
    monkeypatch.setattr(pulse.state, "should_stop", None)
    actions: list[Any] = []
    queues = SimpleNamespace(queues=SimpleNamespace(consume_from=["gpu"]))
    worker = SimpleNamespace(
        app=SimpleNamespace(amqp=queues),
        timer=SimpleNamespace(call_repeatedly=lambda every, action: actions.append(action)),
    )
    pulse.Pulse(worker).start(worker)
    for clock.now in checks:
        actions[0]()
    assert (pulse.state.should_stop == os.EX_TEMPFAIL) == stalled
