"""Wall clock, processor time and resident memory of this process and all that it started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from time import perf_counter
from typing import Self

import psutil

from bali_platform.base.progress import QUIET, Step

EVERY_S = 0.2
MEGABYTE = 1_000_000


@dataclass(eq=False)
class Measured:
    """What one step took; of memory the peak, of this process alone and of all together."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    own_mb: int = 0
    all_mb: int = 0


class Meter:
    """Looks at the processes five times a second; a context manager."""

    def __init__(self) -> None:
        self._cpu: dict[psutil.Process, float] = {}
        self._open: list[Measured] = []
        self._ended = Event()
        self._thread = Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    @contextmanager
    def measure(self, into: Measured | None = None) -> Iterator[Measured]:
        """Measure what happens inside, added to what ``into`` holds."""
        measured = Measured() if into is None else into
        self._look()
        started, cpu = perf_counter(), sum(self._cpu.values())
        self._open.append(measured)
        try:
            yield measured
        finally:
            self._look()
            self._open.remove(measured)
            measured.seconds = round(measured.seconds + perf_counter() - started, 2)
            measured.cpu_s = round(measured.cpu_s + sum(self._cpu.values()) - cpu, 2)

    def _watch(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._look()

    def _look(self) -> None:
        """Note what every process has used; those that ended keep what they were last seen with."""
        own = psutil.Process()
        resident = {}
        for process in (own, *own.children(recursive=True)):
            with suppress(psutil.NoSuchProcess), process.oneshot():
                times = process.cpu_times()
                self._cpu[process] = times.user + times.system
                resident[process.pid] = process.memory_info().rss // MEGABYTE
        for measured in list(self._open):
            measured.own_mb = max(measured.own_mb, resident[own.pid])
            measured.all_mb = max(measured.all_mb, sum(resident.values()))


class StepMeter:
    """A reporter that measures each step; ``at`` has what to do as the step of a title opens."""

    def __init__(self, meter: Meter, at: dict[str, Callable[[], None]]) -> None:
        self._meter, self._at = meter, at
        self.steps: dict[str, Measured] = {}

    def say(self, message: str) -> None:
        """Print one line."""
        print(message, flush=True)

    @contextmanager
    def step(self, title: str, total: float | None = None) -> Iterator[Step]:
        """Measure a step; one of the same title as an earlier one is added to it."""
        self._at.get(title, lambda: None)()
        measured = self.steps.setdefault(title, Measured())
        with self._meter.measure(measured), QUIET.step(title, total) as step:
            yield step
        print(f"  {measured.seconds:8.1f} s  {measured.cpu_s:8.1f} CPU-s  {title}", flush=True)
