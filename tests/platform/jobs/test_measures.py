"""What several processes measure is one sum, and nothing is lost while Redis is away."""

from __future__ import annotations

from typing import Any

import pytest

from bali_platform.base import measures
from bali_platform.base.measures import Cell, count, note, timed
from bali_platform.jobs.measures import publish, published

pytestmark = pytest.mark.services


def test_measures_add_up_and_wait_for_redis(mortal_redis: Any) -> None:
    measures.take()
    redis = mortal_redis.client()
    count("bytes", 5)
    publish(redis)
    mortal_redis.kill()
    count("bytes", 7)
    note("last", 20)
    publish(redis)
    note("last", 10)
    with pytest.raises(ValueError), timed("seconds", "first"):
        raise ValueError
    mortal_redis.start()
    publish(redis)
    found = published(redis)
    assert found[Cell("bytes", "", "total")] == 12
    assert found[Cell("last", "", "latest")] == 20
    assert sum(n for cell, n in found.items() if cell.metric == "seconds") >= 1
