"""Locks on files: a lock ends with the last process that holds it, however that ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def take_lock(file: Path, *, shared: bool = False, wait: bool = True) -> int:
    """Lock a file, and return the descriptor that holds the lock until it is closed.

    A process that inherits the descriptor holds the lock, too.

    Raises:
        BlockingIOError: another one has it, and ``wait`` is false.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(lock, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    return lock


@contextmanager
def locked(file: Path, taken: Exception | None = None) -> Iterator[int]:
    """Hold a file's lock; where another one has it, wait, or raise ``taken``."""
    try:
        lock = take_lock(file, wait=taken is None)
    except BlockingIOError as error:
        raise (taken or error) from error
    try:
        yield lock
    finally:
        os.close(lock)
