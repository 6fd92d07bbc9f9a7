"""What all processes have measured, added up in Redis."""

from __future__ import annotations

from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from bali_platform.base.measures import LATEST, Cell, add, take

KEY = "bali:measures"


def publish(redis: Redis) -> None:
    """Add what this process has measured; while Redis is away it is kept for the next time."""
    taken = take()
    if not taken:
        return
    try:
        with redis.pipeline(transaction=True) as pipeline:
            for cell, amount in taken.items():
                if cell.part == LATEST:
                    pipeline.hset(KEY, "|".join(cell), str(amount))
                else:
                    pipeline.hincrbyfloat(KEY, "|".join(cell), amount)
            pipeline.execute()
    except RedisError:
        add(taken)


def published(redis: Redis) -> dict[Cell, float]:
    """Return the sums over all processes, but for those that another version names otherwise."""
    found: Any = redis.hgetall(KEY)
    split = {tuple(field.decode().split("|")): float(value) for field, value in found.items()}
    return {Cell(*parts): value for parts, value in split.items() if len(parts) == 3}
