"""The ``gpu`` queue's task: run the next queued job's trainer, and see it through.

The task acknowledges its message at once and holds a lease on the job instead. The trainer is a
process group of its own that dies with the worker; one lock in the job's folder, which the trainer
inherits, keeps a second trainer out even where a lost one still lives.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import entry_points
from typing import IO, Any

from celery import signals
from celery.worker import state
from redis.exceptions import RedisError

from bali_platform.base.errors import NO_ROOM, no_room
from bali_platform.base.files import write_atomically
from bali_platform.base.locks import locked
from bali_platform.base.logs import REQUEST_VARIABLE, about, keep_small
from bali_platform.base.settings import load_settings
from bali_platform.base.telemetry import PARENT_VARIABLE, span, traceparent
from bali_platform.jobs.app import app, wake
from bali_platform.jobs.cards import Cards, Hold, inventory
from bali_platform.jobs.code import code_version, code_version_on_disk
from bali_platform.jobs.connection import connect
from bali_platform.jobs.lease import HEARTBEAT_S, TIME_TO_LIVE_S, Lease, claim_next
from bali_platform.jobs.model import Job, JobState
from bali_platform.jobs.pulse import beat
from bali_platform.jobs.reporter import HOLDER_VARIABLE
from bali_platform.jobs.store import JobNotFoundError, JobStore
from bali_platform.jobs.tether import tethered

PROGRAMS = {found.name: found.value for found in entry_points(group="bali.programs")}
"""The module that runs each kind of job: ``python -m MODULE FOLDER --job ID``.

Whoever brings a program says so in the entry points of its distribution."""

CANCELLED = 3  # the exit code of a trainer that stopped after a checkpoint because it was asked to
UNUSABLE = 2  # ... of one that cannot do what its configuration says: no use trying again
STOP_WITHIN_S = 30.0  # between asking a trainer to stop and killing it
LEFT_FOR_S = 5.0  # for so long a job that cannot run here is left to others
LEFT_FOR_AT_MOST_S = 300.0  # where a full disk stays full, and the pause grows

logger = logging.getLogger(__name__)
_stopping = threading.Event()
_left: dict[str, float] = {}  # jobs that could not run here, and until when they are left


@signals.worker_shutting_down.connect
def _stop_trainer(**_: Any) -> None:
    _stopping.set()


@app.task(name="bali.train", ignore_result=True)
def train() -> None:
    """Run the next queued job of this version of the code, if there is one."""
    if code_version_on_disk() != code_version():
        logger.warning("the code has changed since this worker started: it stops, to be replaced")
        state.should_stop = os.EX_TEMPFAIL
    elif not _stopping.is_set():
        cards = Cards(inventory(), load_settings())
        left = {job for job, until in _left.items() if time.monotonic() < until}
        if claimed := claim_next(JobStore(connect()), cards, left):
            wake()  # another card may be free for the next job
            run_job(*claimed, _stopping)
            with suppress(ConnectionError):  # or the next sweep wakes somebody
                wake()  # its cards are free again, and the job itself may be queued


def run_job(lease: Lease, hold: Hold, stopping: threading.Event) -> None:
    """Run the trainer of a claimed job to its end, let go of its cards and record how it went.

    When ``stopping`` is set the trainer is stopped and the job goes back to the queue.
    """
    job = lease.job
    with about(job=job.id, request=job.request):
        if job.attempt == 1:
            with span("wait in the queue", job.trace, since=job.created_at, job=job.id):
                pass
        with span(
            "run a job", job.trace, job=job.id, attempt=job.attempt, holder=job.holder,
            place=job.place,
        ) as run:  # fmt: skip
            code = _run(lease, hold, stopping)
            run.set_attribute("process.exit.code", "none" if code is None else code)


def _run(lease: Lease, hold: Hold, stopping: threading.Event) -> int | None:
    code = None
    try:
        job = _settled(lease)
        logger.info("job %s starts: attempt %d", job.id, job.attempt)
        with _locked(job) as lock, _log(job) as log:
            code = _watch(_start(job, hold, lock, log), lease, stopping)
    except BlockingIOError:
        _left[lease.job.id] = time.monotonic() + LEFT_FOR_S
        _insist(lambda: lease.give_back("a trainer still works in its folder", fault=False))
    except (OSError, KeyError) as error:
        reason = f"its trainer cannot start: {error}"
        if no_room(error):
            _wait_for_room(lease, reason)
        else:
            _insist(lambda: lease.give_back(reason))
    else:
        if code == NO_ROOM:
            _wait_for_room(lease, _error(job) or "not even for its trainer's last words")
        else:
            _insist(lambda: _conclude(lease, code, stopping.is_set()))
    finally:
        hold.release()
    return code


def _wait_for_room(lease: Lease, reason: str) -> None:
    """Give a job back that found a full disk here, which is no fault of its own.

    Another machine may take it at once, this worker after a pause that grows.
    """
    waits = lease.job.waits
    pause = min(LEFT_FOR_S * 2 ** min(waits, 10), LEFT_FOR_AT_MOST_S)
    _left[lease.job.id] = time.monotonic() + pause
    message = f"no room on {socket.gethostname()}, which tries again in {pause:.0f} s: {reason}"
    _insist(lambda: lease.give_back(message, fault=False, waits=waits + 1))


def _settled(lease: Lease) -> Job:
    """Return the job with a folder on this machine: its own, or what its record says put here.

    With a store a job runs in the worker's own home: what it needs follows it there.
    """
    job, settings = lease.job, load_settings()
    folder = settings.home / "jobs" / job.id
    if not (job.folder / "config.json").exists() or (settings.store and job.folder != folder):
        for name, content in (("config", job.config), ("spec", job.spec)):
            write_atomically(folder / f"{name}.json", json.dumps(content, indent=2))
        _insist(lambda: lease.move(folder))
    return lease.job


@contextmanager
def _locked(job: Job) -> Iterator[int]:
    with locked(job.folder / "lock", BlockingIOError()) as lock:
        os.ftruncate(lock, 0)
        os.write(lock, job.holder.encode())
        yield lock


@contextmanager
def _log(job: Job) -> Iterator[IO[bytes]]:
    with job.log.open("ab", buffering=0) as log:
        log.write(f"--- attempt {job.attempt} on {socket.gethostname()}\n".encode())
        yield log


def _start(job: Job, hold: Hold, lock: int, log: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", PROGRAMS[job.kind], str(job.folder), "--job", job.id]
    return subprocess.Popen(
        tethered(command),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=os.environ
        | {HOLDER_VARIABLE: job.holder, REQUEST_VARIABLE: job.request}
        | {PARENT_VARIABLE: traceparent()}
        | hold.environment,
        pass_fds=[lock, *hold.locks],
        start_new_session=True,
    )


def _watch(trainer: subprocess.Popen[bytes], lease: Lease, stopping: threading.Event) -> int | None:
    """Keep the lease until the trainer ends; its exit code, or None when the job was lost.

    The trainer stands still while its lease may be over: Redis may be away for all, or for this
    machine alone, and then another one may train the job.
    """
    kill_at, renewed, still = math.inf, time.monotonic(), False
    while True:
        with suppress(subprocess.TimeoutExpired):
            return trainer.wait(HEARTBEAT_S)
        beat()
        keep_small(lease.job.log)
        asked, held, now = stopping.is_set(), True, time.monotonic()
        with suppress(RedisError, JobNotFoundError):
            held = lease.renew()
            renewed = now
            asked = asked or lease.cancel_requested()
        if not held or time.monotonic() > kill_at:
            _signal(trainer, signal.SIGKILL)
            trainer.wait()
            return None if not held else trainer.returncode
        over = time.monotonic() - renewed > TIME_TO_LIVE_S
        if over != still:
            _signal(trainer, signal.SIGSTOP if over else signal.SIGCONT)
            still = over
        if asked and kill_at == math.inf:
            _signal(trainer, signal.SIGTERM)
            kill_at = time.monotonic() + STOP_WITHIN_S


def _signal(trainer: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(trainer.pid, number)


def _conclude(lease: Lease, code: int | None, stopping: bool) -> bool:
    if code is None:
        logger.warning("job %s was taken back", lease.job.id)
        return False
    if code == 0:
        return lease.end(JobState.SUCCEEDED)
    if lease.cancel_requested():
        return lease.end(JobState.CANCELLED)
    if stopping or code == CANCELLED:
        return lease.give_back("it was interrupted", fault=False)
    if code < 0:
        return lease.give_back(f"killed by {signal.Signals(-code).name}")
    told = lease.job.log_tail(1) or ["it said nothing"]
    reason = f"{told[0].removeprefix('error: ')} (exit code {code})"
    if code == UNUSABLE:
        return lease.end(JobState.FAILED, reason)
    return lease.give_back(reason)


def _error(job: Job) -> str:
    """Return the error with which a trainer ended; empty where it is not in the log."""
    last = "".join(job.log_tail(1))
    return last.removeprefix("error: ") if last.startswith("error: ") else ""


def _insist(action: Callable[[], bool]) -> bool:
    """Do ``action`` as soon as Redis lets it."""
    while True:
        try:
            return action()
        except RedisError as error:
            logger.warning("waiting for Redis: %s", error)
            beat()
            time.sleep(1)
