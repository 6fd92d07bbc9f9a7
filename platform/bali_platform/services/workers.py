"""Celery workers as background processes of a home."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from bali_platform.base.errors import BaliError
from bali_platform.base.progress import Reporter
from bali_platform.base.settings import Settings
from bali_platform.services.home import Home
from bali_platform.services.process import ManagedProcess

QUEUES = ("subgraphs", "gpu")
START_PATIENCE_S = 180
POLL_S = 0.1


def worker_process(home: Home, queue: str) -> ManagedProcess:
    """Return the process that serves ``queue``, running or not."""
    return home.process(f"worker-{queue}")


def start_workers(settings: Settings, queues: Sequence[str], reporter: Reporter) -> None:
    """Start a worker for each queue, and wait until all of them take tasks.

    Raises:
        BaliError: one ends instead, or is not ready in three minutes.
    """
    processes = [worker_process(Home(settings.home), queue) for queue in queues]
    positions = [process.log_size for process in processes]
    environment = os.environ | settings_environment(settings)
    with reporter.step(f"start workers: {', '.join(queues)}"):
        for queue, process in zip(queues, processes, strict=True):
            command = [sys.executable, "-m", "bali", "worker", "--queues", queue]
            process.start(command, environment)
        for process, position in zip(processes, positions, strict=True):
            _wait_until_ready(process, position)


def _wait_until_ready(process: ManagedProcess, position: int) -> None:
    deadline = time.monotonic() + START_PATIENCE_S
    while " ready." not in (output := process.output_since(position)):
        if process.find() is None or time.monotonic() > deadline:
            last = (output.strip().splitlines() or ["no reason given"])[-1]
            raise BaliError(f"{process.name} does not start: {last}; see {process.log}")
        time.sleep(POLL_S)


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as ``BALI_*`` variables, so that a child process sees the same."""
    values = {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        for name, value in settings
        if value is not None
    }
    return {f"BALI_{name.upper()}": value for name, value in values.items()}
