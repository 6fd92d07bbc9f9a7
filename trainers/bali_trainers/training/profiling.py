"""A trace of a few steps, for ``chrome://tracing`` or Perfetto."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import profiler


@contextmanager
def profiled(path: Path | None, steps: int) -> Iterator[Callable[[], None]]:
    """Trace ``steps`` steps to ``path``, from the third on; yields what to call after each step.

    With no path, or no steps, nothing is traced.
    """
    if path is None or not steps:
        yield lambda: None
        return
    with profiler.profile(
        schedule=profiler.schedule(wait=1, warmup=1, active=steps, repeat=1),
        on_trace_ready=lambda trace: trace.export_chrome_trace(str(path)),
    ) as trace:
        yield trace.step
