"""The two queues, by name and by length."""

from __future__ import annotations

from typing import Any

from redis import Redis

SUBGRAPHS = "subgraphs"
GPU = "gpu"
KEY_PREFIX = "bali:celery:"


def waiting(redis: Redis, queue: str) -> int:
    """Return how many messages wait in a queue."""
    length: Any = redis.llen(f"{KEY_PREFIX}{queue}")
    return int(length)
