"""``bali worker``: one Celery worker for each queue, watched over and replaced when it fails."""

from __future__ import annotations

import logging
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from redis.exceptions import RedisError

from bali_platform.base.errors import BaliError, UsageError, did_you_mean
from bali_platform.base.logs import keep_small
from bali_platform.base.settings import Settings
from bali_platform.jobs.app import wake
from bali_platform.jobs.cards import inventory, publish_cards
from bali_platform.jobs.code import code_version_on_disk
from bali_platform.jobs.connection import connect
from bali_platform.jobs.lease import Reaper
from bali_platform.jobs.model import JobState
from bali_platform.jobs.pulse import PULSE_VARIABLE
from bali_platform.jobs.queues import GPU, SUBGRAPHS, waiting
from bali_platform.jobs.store import JobStore
from bali_platform.jobs.tether import tethered
from bali_platform.services import redis_url
from bali_platform.services.redis_server import redis_concerns

QUEUES = (SUBGRAPHS, GPU)
SWEEP_EVERY_S = 5.0
SWEEP_SOON_S = 1.0  # while a lease lapses, or has lapsed
HUNG_AFTER_S = 90.0  # without a sign of life, while Redis answers
STOP_WITHIN_S = 60.0

logger = logging.getLogger(__name__)
_numbers = count()


def celery_command(queue: str, concurrency: int) -> list[str]:
    """Return the command line of the Celery worker of a queue.

    A training worker runs one job at a time in its main thread, and takes a message only when it is
    free: there is one for each card. The others have ``concurrency`` processes.
    """
    name = f"{queue}-{os.getpid()}-{next(_numbers)}"
    pool = ["--pool", "solo"] if queue == GPU else ["--concurrency", str(concurrency)]
    return [
        *(sys.executable, "-m", "celery", "--quiet", "--app", "bali_platform.jobs.app", "worker"),
        *("--queues", queue, "--hostname", f"{name}@%h", "--loglevel", "INFO"),
        *("--without-gossip", "--without-mingle", *pool),
    ]


def run_worker(
    settings: Settings,
    queues: Sequence[str] = QUEUES,
    concurrency: int | None = None,
    command: Callable[[str, int], list[str]] = celery_command,
) -> None:
    """Serve the queues until SIGTERM or SIGINT; a second signal ends the workers at once."""
    for queue in queues:
        if queue not in QUEUES:
            raise UsageError(f"there is no queue '{queue}'{did_you_mean(queue, QUEUES)}")
    with suppress(RedisError, BaliError):
        for concern in redis_concerns(redis_url(settings)):
            logger.warning(concern)
    processes = concurrency or max(1, (os.cpu_count() or 2) // 2)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bali-worker-")))
        stopping = stack.enter_context(_listening())
        children = [
            _Child(queue, command(queue, processes), folder / f"{queue}-{number}")
            for queue in queues
            for number in range(max(1, len(inventory())) if queue == GPU else 1)
        ]
        stack.callback(_stop, children)
        _tend(children, _Sweeper(settings, trains=GPU in queues), stopping)


class _Child:
    """The worker process of a queue, started again, ever less eagerly, whenever it ends."""

    def __init__(self, queue: str, command: list[str], pulse: Path) -> None:
        self.queue = queue
        self._command = command
        self._pulse = pulse
        self._delay = 0.5
        self._start_at = self._started_at = 0.0
        self._alive_at = 0.0
        self._beat = 0
        self.version = ""
        self.process: subprocess.Popen[bytes] | None = None

    def tend(self, now: float, answering_since: float) -> None:
        """Start the process if it does not run; kill it if it hangs, though Redis answers."""
        if self.process is None:
            if now >= self._start_at:
                self._start(now)
        elif (code := self.process.poll()) is not None:
            self.process = None
            self._delay = 0.5 if now - self._started_at > 60 else min(2 * self._delay, 30)
            self._start_at = now + self._delay
            logger.warning("the %s worker ended (%s): starting another", self.queue, code)
        elif now - max(self._heard(now), answering_since) > HUNG_AFTER_S:
            logger.error("the %s worker hangs: killing it", self.queue)
            self.kill()

    def stop(self) -> None:
        """Ask the process to finish what it is doing and end."""
        if self.process is not None:
            self.process.terminate()

    def join(self, patience_s: float) -> None:
        """Wait until the process has ended; raises :class:`subprocess.TimeoutExpired`."""
        if self.process is not None:
            self.process.wait(patience_s)

    def kill(self) -> None:
        """End the process and those that it has started."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def _start(self, now: float) -> None:
        self._started_at = self._alive_at = now
        self._pulse.touch()
        self.version = code_version_on_disk()
        self.process = subprocess.Popen(
            tethered(self._command),
            stdin=subprocess.DEVNULL,
            env=os.environ | {PULSE_VARIABLE: str(self._pulse)},
            start_new_session=True,
        )

    def _heard(self, now: float) -> float:
        """Return when the last sign of life was noticed; the wall clock may jump, ``now`` not."""
        beat = self._pulse.stat().st_mtime_ns
        if beat != self._beat:
            self._beat, self._alive_at = beat, now
        return self._alive_at


class _Sweeper:
    """What a worker does every few seconds for all jobs, while Redis answers."""

    def __init__(self, settings: Settings, *, trains: bool) -> None:
        self._trains = trains
        self._redis = connect(settings)
        self._store = JobStore(self._redis)
        self._reaper = Reaper(
            self._store,
            settings.home / "jobs",
            waiting=lambda: waiting(self._redis, GPU),
            wake=wake,
        )
        self._logs = settings.home / "logs"
        self._next = 0.0
        self.answering_since = math.inf

    def sweep(self, now: float, children: list[_Child]) -> None:
        """Return lost jobs to the queue and renew workers of old code, if it is time to."""
        if now < self._next:
            return
        self._next = now + SWEEP_EVERY_S
        for log in self._logs.glob("*.log"):
            keep_small(log)
        try:
            if self._reaper.sweep(now):
                self._next = now + SWEEP_SOON_S
            self._renew(children)
            if self._trains:
                publish_cards(self._redis)
        except (RedisError, OSError) as error:
            self._reaper.forget()
            self.answering_since = math.inf
            logger.warning("Redis does not answer, waiting for it: %s", error)
        else:
            self.answering_since = min(self.answering_since, now)

    def _renew(self, children: list[_Child]) -> None:
        """Replace workers whose code has changed on disk, once no running job needs the old one."""
        current = code_version_on_disk()
        needed = {job.code_version for job in self._store.list(JobState.RUNNING)}
        for child in children:
            if child.process is not None and child.version not in {current, *needed}:
                logger.warning("the code has changed: replacing the %s worker", child.queue)
                child.stop()
                child.version = current


def _tend(children: list[_Child], sweeper: _Sweeper, stopping: threading.Event) -> None:
    while not stopping.wait(0.5):
        now = time.monotonic()
        sweeper.sweep(now, children)
        for child in children:
            child.tend(now, sweeper.answering_since)


def _stop(children: list[_Child]) -> None:
    """Let the workers finish what they are doing, for some time.

    Training goes first: to reach its next checkpoint it may still need batches.
    """
    try:
        for trains in (True, False):
            group = [child for child in children if (child.queue == GPU) == trains]
            for child in group:
                child.stop()
            for child in group:
                child.join(STOP_WITHIN_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        logger.warning("the workers do not stop: killing them")
    finally:
        for child in children:
            child.kill()


@contextmanager
def _listening() -> Iterator[threading.Event]:
    stopping = threading.Event()

    def stop(number: int, frame: object) -> None:
        if stopping.is_set():
            raise KeyboardInterrupt
        stopping.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
