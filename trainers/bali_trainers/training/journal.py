"""Where a run writes down how it goes: ``metrics.jsonl``, its log, and the job's record."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from bali_platform.base.logs import say
from bali_platform.base.telemetry import span
from bali_trainers.training.loggers import Logger


class Remote(Protocol):
    """The job's record, kept elsewhere."""

    def metrics(self, step: int, total: int, values: dict[str, float]) -> None:
        """Record the metrics of an interval."""

    def event(self, kind: str, /, **data: Any) -> None:
        """Record something that happened."""

    def cancelled(self) -> bool:
        """Tell whether someone asked to cancel the job."""


class Journal:
    """Reports a run to its folder, standard output and loggers, and to ``remote`` if there is one.

    ``copy`` is told the step of each checkpoint that is whole.
    Only the rank that is given a folder writes; every rank listens for a request to stop: SIGTERM,
    SIGINT, or a cancelled job.
    """

    def __init__(
        self,
        folder: Path | None,
        remote: Remote | None = None,
        loggers: Sequence[Logger] = (),
        copy: Callable[[int], None] | None = None,
    ) -> None:
        self._copy = copy
        self._loggers = loggers
        self._path = folder / "metrics.jsonl" if folder is not None else None
        self._remote = remote
        self._signalled = False
        self._saved_at = time.time()
        self.last: dict[str, float] = {}

    def say(self, line: str) -> None:
        """Print one line to the log."""
        if self._path is not None:
            say(line)

    def metrics(self, step: int, total: int, values: dict[str, float]) -> None:
        """Append an interval's metrics to ``metrics.jsonl`` and say the most important ones."""
        row = {"step": step, "total": total, **values}
        self.last = row
        shown = {name: value for name, value in values.items() if name.endswith(("loss", "top1"))}
        numbers = "  ".join(f"{name} {value:.4f}" for name, value in shown.items())
        self.say(f"step {step}/{total}  {numbers}  {values['sentences_s']:.1f} sentences/s")
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        for logger in self._loggers:
            logger.metrics(step, values)
        if self._remote is not None:
            self._remote.metrics(step, total, values)

    def resumed(self, step: int) -> None:
        """Forget the metrics of steps after ``step``: they will be made again."""
        self.say(f"continuing after step {step}")
        if self._path is not None and self._path.exists():
            rows = list(rows_until(self._path, step))
            self._path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
            self.last = rows[-1] if rows else {}
        self._event("resumed", step)

    def saved(self, step: int) -> None:
        """Note a checkpoint."""
        if self._copy is not None:
            self._copy(step)
        if self._path is not None:
            with span("steps to a checkpoint", since=self._saved_at, step=step):
                self._saved_at = time.time()
        self._event("checkpoint", step)

    def cancelled(self) -> bool:
        """Tell whether a signal or the job's record asks the run to stop."""
        return self._signalled or (self._remote is not None and self._remote.cancelled())

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turn SIGTERM and SIGINT into a request to stop after the current step."""
        before = {number: signal.signal(number, self._stop) for number in _STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: Any) -> None:
        self._signalled = True

    def _event(self, kind: str, step: int) -> None:
        if self._remote is not None:
            self._remote.event(kind, step=step)


_STOPPING = (signal.SIGTERM, signal.SIGINT)


def rows_until(path: Path, step: int) -> Iterator[dict[str, float]]:
    """Yield the rows of a ``metrics.jsonl`` up to ``step``, less half a row that a kill left."""
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n") and (row := json.loads(line))["step"] <= step:
            yield row
