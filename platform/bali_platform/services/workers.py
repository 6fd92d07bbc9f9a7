"""Celery workers as background processes of a home."""

from __future__ import annotations

import os
import sys

from bali_platform.services.home import Home
from bali_platform.services.process import ManagedProcess
from bali_platform.settings import Settings

__all__ = ["QUEUES", "start_worker", "worker_process"]

QUEUES = ("subgraphs", "gpu")


def worker_process(home: Home, queue: str) -> ManagedProcess:
    """Return the process that serves ``queue``, running or not."""
    return home.process(f"worker-{queue}")


def start_worker(settings: Settings, queue: str) -> None:
    """Start the worker of ``queue`` unless it runs."""
    process = worker_process(Home(settings.home), queue)
    if process.find() is None:
        command = [sys.executable, "-m", "bali_platform", "worker", "--queues", queue]
        process.start(command, os.environ | settings_environment(settings))


def settings_environment(settings: Settings) -> dict[str, str]:
    """Return the settings as ``BALI_*`` variables, so that a child process sees the same."""
    values = {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)
        for name, value in settings
        if value is not None
    }
    return {f"BALI_{name.upper()}": value for name, value in values.items()}
