"""What this machine offers: memory and free ports."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

from bali_platform.base.errors import BaliError

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
ATTEMPTS = 3


class PortTakenError(BaliError):
    """Another program took the port between choosing and listening."""


def memory_limit() -> int:
    """Bytes of memory that this process may count on: the machine's, or its container's."""
    total: int = psutil.virtual_memory().total
    try:
        return min(total, int(CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return total


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_port(*preferred: int) -> int:
    """Return the first preferred port that is free, else any free one."""
    for port in preferred:
        if is_free(port):
            return port
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    return int(port)


def on_free_ports(start: Callable[[], T]) -> T:
    """Return what ``start`` does, which chooses ports; it chooses again when one is snatched."""
    for _ in range(ATTEMPTS - 1):
        with suppress(PortTakenError):
            return start()
    return start()
