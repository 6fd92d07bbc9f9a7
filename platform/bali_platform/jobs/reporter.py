"""How a trainer reports to its job's record, whatever happens to Redis meanwhile."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from bali_platform.base.errors import BaliError
from bali_platform.jobs.measures import publish
from bali_platform.jobs.model import JobState
from bali_platform.jobs.store import JobNotFoundError, JobStore

HOLDER_VARIABLE = "BALI_HOLDER"  # the holder of the lease that a trainer belongs to
INTERVAL_S = 1.0
_KEPT = 10_000


class LeaseLostError(BaliError):
    """The job was taken back and given to somebody else: this process must stop at once."""


class JobReporter:
    """Reports from a thread, so that training never waits for it.

    While Redis is away the reports are kept (the newest 10,000). Every method raises
    :class:`LeaseLostError` once the job belongs to somebody else, and nothing but that.
    """

    def __init__(self, store: JobStore, job_id: str, holder: str | None = None) -> None:
        self._store = store
        self._job_id = job_id
        self._holder = os.environ[HOLDER_VARIABLE] if holder is None else holder
        self._pending: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._artefacts: dict[str, str] = {}
        self._cancelled = False
        self._lost = False
        self._give_up_at = math.inf
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)
        self._thread.start()

    def __enter__(self) -> JobReporter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def metrics(self, step: int, total: int, values: Mapping[str, float]) -> None:
        """Record the metrics of an interval that ended with ``step`` of ``total``."""
        latest = {"step": step, "total": total, "metrics": dict(values)}
        self._report(fields=latest, metrics={"step": step, **values})

    def event(self, kind: str, /, **data: Any) -> None:
        """Record something that happened."""
        self._report(event=(kind, data))

    def artefact(self, name: str, path: Path) -> None:
        """Record where something that the job made can be found."""
        self._artefacts[name] = str(path)
        self._report(fields={"artefacts": dict(self._artefacts)}, event=("artefact", {name: path}))

    def cancelled(self) -> bool:
        """Whether somebody asked the job to stop, as known a second ago."""
        self._check()
        return self._cancelled

    def close(self, patience_s: float = 10.0) -> None:
        """Deliver what is pending, for so many seconds at most, and end the thread."""
        self._give_up_at = time.monotonic() + patience_s
        self._wake.set()
        self._thread.join()

    def _report(self, **change: Any) -> None:
        self._check()
        self._pending.append(change)
        self._wake.set()

    def _check(self) -> None:
        if self._lost:
            raise LeaseLostError(f"job {self._job_id} was taken back from this process")

    def _run(self) -> None:
        while not self._lost:
            self._wake.clear()
            # RedisError: whatever a Redis that is full, loading or away answers, a later try may do
            with suppress(RedisError, OSError, JobNotFoundError):
                publish(self._store.redis)
                self._deliver()
                self._look()
            if self._give_up_at < math.inf and (
                not self._pending or time.monotonic() > self._give_up_at
            ):
                return
            self._wake.wait(INTERVAL_S)

    def _deliver(self) -> None:
        expect = {"state": JobState.RUNNING, "holder": self._holder}
        while self._pending and not self._lost:
            change = self._pending.popleft()
            try:
                self._lost = not self._store.change(self._job_id, **change, expect=expect)
            except BaseException:
                self._pending.appendleft(change)
                raise

    def _look(self) -> None:
        job = self._store.get(self._job_id)
        self._cancelled = job.cancel_requested
        self._lost = (job.state, job.holder) != (JobState.RUNNING, self._holder)
