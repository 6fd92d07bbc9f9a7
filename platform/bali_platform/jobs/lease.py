"""Who may run a job: leases that lapse when they are not renewed, and who picks the job up then.

A lease is a key with a short time to live that names its holder, by a random word drawn at the
claim, and so does the job's record. Only while the job is running *and* names the holder can the
holder change it: one that was away too long, or whose claim a failover of Redis has lost, finds its
job taken back, and cannot write any more.
"""

from __future__ import annotations

import math
import secrets
import socket
import time
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from bali_platform.jobs.cards import Cards, Hold
from bali_platform.jobs.code import code_version
from bali_platform.jobs.model import Job, JobState
from bali_platform.jobs.store import JobNotFoundError, JobStore

TIME_TO_LIVE_S = 10.0
HEARTBEAT_S = 2.0
SEEN_LAPSING_S = 5.0  # a lease that has less left was not renewed twice
GRACE_S = 6.0  # after an outage of Redis a living holder needs a moment to renew its lease


class Lease:
    """The right to run a job, held since the claim that moved it to ``job.attempt``."""

    def __init__(self, store: JobStore, job: Job) -> None:
        self._store = store
        self.job = job

    def renew(self) -> bool:
        """Hold the lease for longer; False when the job has been taken back.

        A record that Redis has lost is restored.
        """
        try:
            return self._hold()
        except JobNotFoundError:
            self._store.restore(self.job)
            return self._hold()

    def _hold(self) -> bool:
        return self._store.change(
            self.job.id, expect=self.job.claim, lease_s=TIME_TO_LIVE_S, holder=self.job.holder
        )

    def move(self, folder: Path) -> bool:
        """Record that the job goes on in ``folder``; False when it has been taken back."""
        moved = self._store.transition(self.job, "moved", folder=str(folder))
        self.job = moved or self.job
        return moved is not None

    def cancel_requested(self) -> bool:
        """Whether somebody wants the job to stop."""
        return self._store.cancel_requested(self.job.id)

    def end(self, state: JobState, message: str = "") -> bool:
        """Finish the job and let go of it; False when it has been taken back."""
        if not self.renew():
            return False
        ended = self._store.transition(
            self.job, state, state=state, message=message, finished_at=time.time(), lease_s=0
        )
        return ended is not None

    def give_back(self, reason: str, *, fault: bool = True, waits: int = 0) -> bool:
        """Queue the job again, or end it when it keeps failing; ``fault``: this was one of them.

        ``waits``: how many attempts in a row, with this one, have found no room.
        """
        if not self.renew():
            return False
        now = self._store.get(self.job.id)
        mine = now.holder == self.job.holder
        return mine and _give_back(self._store, now, reason, fault=fault, waits=waits)


def claim_next(
    store: JobStore, cards: Cards, left: Container[str] = ()
) -> tuple[Lease, Hold] | None:
    """Take the queued job that comes first and fits this code and the free cards, with its cards.

    Of several claimants one gets it. Jobs that no worker like this one can run are left in the
    queue, with a message that says so. One that waits for cards to become free lets others of its
    priority go first, but none of a lower one. Those whose ids are in ``left`` are left to others.
    """
    least = -math.inf
    queued = [job for job in store.list(JobState.QUEUED) if job.id not in left]
    for job in sorted(queued, key=lambda job: (-job.priority, job.created_at)):
        if job.priority < least:
            break
        if unfit := _unfit(job, cards):
            _refuse(store, job, unfit)
        elif (hold := cards.take(job)) is None:
            least = job.priority
        elif claimed := _claim(store, job, hold):
            return Lease(store, claimed), hold
        else:
            hold.release()
    return None


def _claim(store: JobStore, job: Job, hold: Hold) -> Job | None:
    return store.transition(
        job,
        "started",
        free=True,
        lease_s=TIME_TO_LIVE_S,
        state=JobState.RUNNING,
        attempt=job.attempt + 1,
        holder=secrets.token_hex(8),
        place=" ".join([socket.gethostname(), *hold.names]),
        started_at=job.started_at or time.time(),
        message="",
    )


def _unfit(job: Job, cards: Cards) -> str:
    """Return why workers like this one will never run a job; empty if they may."""
    if job.code_version == code_version():
        return cards.lack(job)
    return (
        f"a worker with code {code_version()} refused this job of code {job.code_version}: "
        f"start a worker of that code, or `bali jobs adopt {job.id}` to go on with the new one"
    )


def _refuse(store: JobStore, job: Job, message: str) -> None:
    if message != job.message:
        store.transition(job, "refused", message=message)


def _give_back(
    store: JobStore,
    job: Job,
    reason: str,
    *,
    fault: bool = True,
    waits: int = 0,
    free: bool = False,
) -> bool:
    fields: dict[str, Any] = {"state": JobState.QUEUED, "message": reason, "mark": job.step}
    fields["waits"] = waits
    if fault:
        fields["stalls"] = 0 if job.step > job.mark else job.stalls + 1
    if job.cancel_requested:
        fields |= {"state": JobState.CANCELLED, "finished_at": time.time()}
    elif fields.get("stalls", 0) >= job.retries:
        message = f"no progress in {job.retries} attempts: {reason}"
        fields |= {"state": JobState.FAILED, "message": message, "finished_at": time.time()}
    event = "given back" if fields["state"] == JobState.QUEUED else fields["state"]
    return store.transition(job, event, free=free, lease_s=0, **fields) is not None


class Reaper:
    """Returns the jobs of lost workers to the queue; every worker runs one.

    ``waiting`` tells how many wake-up messages wait for the training workers, ``wake`` sends one.
    """

    def __init__(
        self,
        store: JobStore,
        folder: Path,
        waiting: Callable[[], int],
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._folder = folder
        self._waiting = waiting
        self._wake = wake
        self._lapsed: dict[tuple[str, int], float] = {}

    def sweep(self, now: float) -> bool:
        """Look once at all jobs; return whether to look again soon, for a lease lapses.

        ``now`` is any clock, in seconds, that never goes back.
        """
        self._store.recover(self._folder)
        states = self._store.states()
        running = [job_id for job_id, state in states.items() if state == JobState.RUNNING]
        jobs = [job for job in self._store.read(running) if job.state == JobState.RUNNING]
        left = {job.id: self._store.lease_left_s(job.id) for job in jobs}
        lapsed = {(job.id, job.attempt): job for job in jobs if not left[job.id]}
        self._lapsed = {key: self._lapsed.get(key, now) for key in lapsed}
        lost = [lapsed[key] for key, since in self._lapsed.items() if now - since >= GRACE_S]
        for job in lost:
            _give_back(self._store, job, "its worker was lost", free=True)
        if (lost or JobState.QUEUED in states.values()) and not self._waiting():
            self._wake()
        return any(each < SEEN_LAPSING_S for each in left.values())

    def forget(self) -> None:
        """Start counting anew: during an outage nobody could have renewed a lease."""
        self._lapsed.clear()
