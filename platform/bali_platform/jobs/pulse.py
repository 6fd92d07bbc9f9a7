"""Signs of life from a Celery worker, and its own check that it still consumes.

After a lost connection a worker can come back whole in every respect but one: it takes no more
messages. It notices that here and stops, and whoever supervises it starts a new one.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from celery import bootsteps
from celery.worker import state
from redis import Redis
from redis.exceptions import RedisError

from bali_platform.jobs.connection import connect
from bali_platform.jobs.queues import waiting

PULSE_VARIABLE = "BALI_PULSE"  # names the file that is touched at every beat
INTERVAL_S = 5.0
STALLED_AFTER_S = 30.0

logger = logging.getLogger(__name__)


def beat() -> None:
    """Show the supervisor, if there is one, that this worker is alive."""
    if path := os.environ.get(PULSE_VARIABLE):
        with suppress(OSError):  # a full disk must not stop a worker that works
            Path(path).touch()


class Pulse(bootsteps.StartStopStep):
    """The worker's step that beats, and ends a worker that leaves its queues unread."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._queues = tuple(parent.app.amqp.queues.consume_from)
        self._redis: Redis | None = None
        self._idle_since: float | None = None
        self._checked = 0.0
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        """Begin to beat; called again after every lost connection."""
        self._idle_since = None
        self._timer = parent.timer.call_repeatedly(INTERVAL_S, self._check)

    def stop(self, parent: Any) -> None:
        """Stop beating while there is no connection."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        beat()
        now, before = time.monotonic(), self._checked
        self._checked = now
        was_busy = now - before > 2 * INTERVAL_S  # a job of its own kept it from checking
        if was_busy or not self._neglects_its_queues():
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since > STALLED_AFTER_S:
            logger.error("messages wait, but this worker takes none: it stops, to be replaced")
            state.should_stop = os.EX_TEMPFAIL

    def _neglects_its_queues(self) -> bool:
        if state.reserved_requests:
            return False
        try:
            self._redis = self._redis or connect()
            return any(waiting(self._redis, queue) for queue in self._queues)
        except RedisError:
            return False
