"""Fewer searches for garbage while many small objects are made that live on."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

_OBJECTS = 100_000
_lock = Lock()
_before: list[int] = []


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python look for cycles every 100,000 new objects instead of every few hundred.

    For as long as one of those that asked for it, in any thread, is at work.
    """
    with _lock:
        _before.append(gc.get_threshold()[0])
        gc.set_threshold(max(_OBJECTS, _before[-1]))
    try:
        yield
    finally:
        with _lock:
            own = _before.pop()
            if not _before:
                gc.set_threshold(own)
