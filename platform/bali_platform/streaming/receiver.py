"""The thread that asks for batches and takes in the answers while the consumer computes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis import exceptions as redis_errors

from bali_platform.base.errors import BaliError
from bali_platform.streaming.answers import TIME_TO_LIVE, stream_keys
from bali_platform.streaming.keys import BatchKey
from bali_platform.streaming.window import Window

OUTAGES = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    OSError,
)
_BLOCK_MS = 100  # how long a free place in the window may go unnoticed
_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0


class Receiver:
    """Keeps a :class:`Window` filled from a job's streams until it is closed."""

    def __init__(
        self,
        redis: Redis,
        job_id: str,
        request: Callable[[BatchKey], None],
        window: Window,
        patience: float,
        say: Callable[[str], None],
    ) -> None:
        self._redis = redis
        self._job_id = job_id
        self._request = request
        self._window = window
        self._patience = patience
        self._say = say
        self._said = b""
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._failure: Exception | None = None
        self._ranks: set[int] = set()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()

    def take(self) -> tuple[BatchKey, bytes] | None:
        """Wait for the next batch in order; None after the last one."""
        with self._changed:
            while (batch := self._window.take()) is None:
                if self._failure:
                    raise self._failure
                if self._window.finished:
                    return None
                self._changed.wait()
            self._changed.notify_all()
            return batch

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                self._ride_out(self._turn)
            self._forget(self._ranks)
        except OUTAGES:
            pass  # nothing is left to ask for, and what Redis still holds has a time to live
        except Exception as error:
            self._failure = error
        finally:
            with self._changed:
                self._changed.notify_all()

    def _ride_out(self, action: Callable[[], None]) -> None:
        """Do ``action``; while Redis is away wait, then have everything outstanding asked again."""
        began, delay = time.monotonic(), _FIRST_DELAY
        away = False
        while not self._closing.is_set():
            try:
                action()
            except OUTAGES as error:
                gone = time.monotonic() - began
                if gone > self._patience:
                    raise BaliError(f"Redis has been away for {gone:.0f} s: {error}") from error
                if not away:
                    self._say(f"Redis is away, waiting for it: {error}")
                away = True
                self._closing.wait(delay)
                delay = min(delay * 2, _LONGEST_DELAY)
                with self._changed:
                    self._window.ask_again()
            else:
                if away:
                    self._say(f"Redis is back after {time.monotonic() - began:.1f} s")
                return

    def _turn(self) -> None:
        with self._changed:
            due = self._window.due(time.monotonic())
            ranks = self._window.ranks
            if not ranks:
                self._changed.notify_all()
                if not self._closing.is_set():
                    self._changed.wait(_LONGEST_DELAY)
                return
        self._ask(due)
        self._receive(ranks)

    def _ask(self, due: list[BatchKey]) -> None:
        fresh = {key.rank for key in due} - self._ranks
        self._forget(fresh)
        self._ranks |= fresh
        with self._redis.pipeline(transaction=False) as pipeline:
            for key in due:
                wanted, _ = stream_keys(self._job_id, key.rank)
                pipeline.hsetnx(wanted, f"{key.epoch}:{key.index}", "0")
                pipeline.expire(wanted, TIME_TO_LIVE)
            pipeline.execute()
        for key in due:
            self._request(key)

    def _forget(self, ranks: set[int]) -> None:
        """Delete what an earlier consumer of these ranks, or this one, has left behind."""
        names = [name for rank in ranks for name in stream_keys(self._job_id, rank)]
        if names:
            self._redis.delete(*names)

    def _receive(self, ranks: set[int]) -> None:
        streams: Any = {stream_keys(self._job_id, rank)[1]: "0" for rank in ranks}
        reply: Any = self._redis.xread(streams, block=_BLOCK_MS)
        ranks_by_stream = {name.encode(): rank for rank, name in zip(ranks, streams, strict=True)}
        for stream, entries in reply:
            for _, fields in entries:
                self._take_in(ranks_by_stream[stream], fields)
            self._redis.xdel(stream, *(entry for entry, _ in entries))

    def _take_in(self, rank: int, fields: dict[bytes, bytes]) -> None:
        epoch, index = fields.pop(b"key").split(b":")
        key = BatchKey(int(epoch), int(index), rank)
        (kind, value), *_ = fields.items()
        if kind == b"fatal":
            raise BaliError(f"batch of {key} cannot be built: {value.decode()}")
        if kind == b"refused":
            self._say_once(f"batch of {key} has to wait: {value.decode()}", value)
            return
        with self._changed:
            if self._window.arrive(key, value):
                self._changed.notify_all()

    def _say_once(self, line: str, reason: bytes) -> None:
        if reason != self._said:
            self._said = reason
            self._say(line)
