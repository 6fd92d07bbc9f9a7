"""A reporter that also remembers how long each step took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from bali_platform.base.progress import Reporter, Step


class Stopwatch:
    """Passes everything on to ``reporter``; ``seconds`` holds the time of each step by title."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.seconds: dict[str, float] = {}

    def say(self, message: str) -> None:
        """Print one line."""
        self._reporter.say(message)

    @contextmanager
    def step(self, title: str, total: float | None = None) -> Iterator[Step]:
        """Open a step; leaving the context adds its time to that of its title."""
        started = perf_counter()
        with self._reporter.step(title, total) as step:
            yield step
        spent = perf_counter() - started
        self.seconds[title] = round(self.seconds.get(title, 0) + spent, 3)
