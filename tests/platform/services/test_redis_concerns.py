"""A Redis that may lose jobs is noticed, with what to do about it."""

from __future__ import annotations

from typing import Any

from bali_platform.services.redis_server import redis_concerns


def test_a_redis_that_drops_or_forgets_is_noticed(mortal_redis: Any) -> None:
    assert redis_concerns(mortal_redis.url) == ()
    client = mortal_redis.client()
    client.config_set("maxmemory-policy", "volatile-lru")
    (evicts,) = redis_concerns(mortal_redis.url)
    assert "config set maxmemory-policy noeviction" in evicts
    client.config_set("appendonly", "no")
    assert any("config set appendonly yes" in each for each in redis_concerns(mortal_redis.url))
