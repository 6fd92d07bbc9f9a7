"""The consumer's window of outstanding batches: pure bookkeeping, no clock and no network."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from bali_platform.streaming.keys import BatchKey

_SLOWEST = 4  # a request is repeated after 1, 2, 4, 4, ... times the first delay


class _Request(NamedTuple):
    again_at: float
    delay: float


class Window:
    """Decides which batches to ask for, and hands over what has arrived, in order.

    At most ``size`` batches are in it at any time: asked for, or arrived and not yet taken.
    Times are seconds on any clock that never goes back.
    """

    def __init__(self, keys: Iterable[BatchKey], size: int, resend_after: float) -> None:
        if size < 1:
            raise ValueError(f"a window needs room for at least one batch, not {size}")
        self._coming = iter(keys)
        self._exhausted = False
        self._size = size
        self._resend_after = resend_after
        self._order: dict[BatchKey, None] = {}
        self._asked: dict[BatchKey, _Request] = {}
        self._arrived: dict[BatchKey, bytes] = {}
        self.repeats = 0

    @property
    def ranks(self) -> set[int]:
        """The ranks of the batches that have not arrived."""
        return {key.rank for key in self._asked}

    @property
    def finished(self) -> bool:
        """Whether every batch has been taken."""
        return self._exhausted and not self._order

    def due(self, now: float) -> list[BatchKey]:
        """Return the batches to ask for now, late ones and new ones, counting them as asked."""
        late = [key for key, request in self._asked.items() if request.again_at <= now]
        self.repeats += len(late)
        for key in late:
            delay = min(self._asked[key].delay * 2, self._resend_after * _SLOWEST)
            self._asked[key] = _Request(now + delay, delay)
        return late + self._admit(now)

    def _admit(self, now: float) -> list[BatchKey]:
        room = self._size - len(self._order)
        fresh = list(islice(self._coming, room))
        self._exhausted = len(fresh) < room
        for key in fresh:
            if key in self._order:
                raise ValueError(f"batch {key} is asked for twice")
            self._order[key] = None
            self._asked[key] = _Request(now + self._resend_after, self._resend_after)
        return fresh

    def ask_again(self) -> None:
        """Make every unanswered batch due: whoever was asked may have forgotten."""
        again = _Request(float("-inf"), self._resend_after / 2)
        self._asked = dict.fromkeys(self._asked, again)

    def arrive(self, key: BatchKey, payload: bytes) -> bool:
        """Take in an answer; return False for one that is not, or no longer, waited for."""
        if self._asked.pop(key, None) is None:
            return False
        self._arrived[key] = payload
        return True

    def take(self) -> tuple[BatchKey, bytes] | None:
        """Hand over the next batch in order, or None while it has not arrived."""
        key = next(iter(self._order), None)
        if key is None or key not in self._arrived:
            return None
        del self._order[key]
        return key, self._arrived.pop(key)
