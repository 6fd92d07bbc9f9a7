"""Keeping Python's garbage collector out of bulk work."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Make many small objects without the collector going over them again and again.

    It looks for cycles each time some hundred tuples were made, which more than doubles the time to
    decode neighbourhoods, and finds none.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
