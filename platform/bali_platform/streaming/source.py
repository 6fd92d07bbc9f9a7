"""Batch sources: built in this process, or streamed from workers through Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from bali_platform.streaming.keys import BatchKey, BatchSource
from bali_platform.streaming.window import Window

if TYPE_CHECKING:
    from redis import Redis

__all__ = ["BatchKey", "BatchSource", "InlineSource", "StreamedSource"]


class InlineSource:
    """Builds each batch in this process, when it is needed."""

    def __init__(self, build: Callable[[BatchKey], bytes]) -> None:
        self._build = build
        self.waited_s = 0.0

    def batches(self, keys: Iterable[BatchKey]) -> Iterator[tuple[BatchKey, bytes]]:
        """Yield the batches of ``keys``, in order."""
        for key in keys:
            started = time.monotonic()
            payload = self._build(key)
            self.waited_s += time.monotonic() - started
            yield key, payload


class StreamedSource:
    """Asks workers for batches, a bounded window ahead, and yields them in order.

    ``request`` is called (in a thread of this source) for each batch to be built; the answer
    comes by :func:`~bali_platform.streaming.publish`. Late batches are requested again after
    ``resend_after`` seconds, then after longer; second answers are dropped. While Redis is away the
    source waits, for ``patience`` seconds at most, and then requests again what is outstanding;
    ``say`` gets one line when that begins and one when it ends.

    ``waited_s`` is the time in seconds that the consumer has spent waiting for batches, and
    ``repeats`` the number of requests that were sent again.
    """

    def __init__(
        self,
        redis: Redis,
        job_id: str,
        request: Callable[[BatchKey], None],
        *,
        window: int = 8,
        resend_after: float = 10.0,
        patience: float = 1800.0,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._redis = redis
        self._job_id = job_id
        self._request = request
        self._size = window
        self._resend_after = resend_after
        self._patience = patience
        self._say = say
        self.waited_s = 0.0
        self.repeats = 0

    def batches(self, keys: Iterable[BatchKey]) -> Iterator[tuple[BatchKey, bytes]]:
        """Yield the batches of ``keys``, in order.

        Raises :class:`BaliError` when a batch cannot be built, or Redis stays away.
        """
        # Who replays batches needs no Redis, nor its package.
        from bali_platform.streaming.receiver import Receiver

        window = Window(keys, self._size, self._resend_after)
        receiver = Receiver(
            self._redis, self._job_id, self._request, window, self._patience, self._say
        )
        try:
            with receiver:
                while batch := self._timed(receiver.take):
                    yield batch
        finally:
            self.repeats += window.repeats

    def _timed(
        self, take: Callable[[], tuple[BatchKey, bytes] | None]
    ) -> tuple[BatchKey, bytes] | None:
        started = time.monotonic()
        try:
            return take()
        finally:
            self.waited_s += time.monotonic() - started
