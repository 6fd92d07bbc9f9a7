"""The connection to Redis: broker, job store and batch streams."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from bali_platform.base.settings import Settings, load_settings
from bali_platform.services import redis_url


def connect(settings: Settings | None = None) -> Redis:
    """Return a client that reports a lost server within seconds, and reconnects by itself.

    Waiting for a lost server is left to the callers: they know what to do meanwhile.
    """
    return Redis.from_url(
        redis_url(settings or load_settings()),
        socket_timeout=10,
        socket_connect_timeout=3,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 0),
    )
