"""Job records in Redis: live state, append-only events, metrics; each change is one atomic step.

A job is a hash of JSON values, one for each field of :class:`Job`, with two streams beside it
(``events``, ``metrics``) and one volatile key (``lease``) that lives while somebody runs the job.
A copy in the job's folder, ``job.json``, brings a record back when Redis has lost it.
"""

from __future__ import annotations

import builtins
import json
import logging
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from redis import Redis

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.files import write_atomically
from bali_platform.base.logs import request_id
from bali_platform.base.settings import load_settings
from bali_platform.base.telemetry import span, traceparent
from bali_platform.jobs.code import code_version
from bali_platform.jobs.model import Event, Job, JobState
from bali_platform.jobs.records import CHANGE, INDEX, STATES, encode, keys

logger = logging.getLogger(__name__)

_FORGOTTEN = "bali:jobs:forgotten"
_FORGOTTEN_KEPT = 100_000
_INSTALLATION = "bali:installation"
_COPY = "job.json"


class JobNotFoundError(BaliError):
    """There is no record of the job."""


class JobStore:
    """The jobs of one Redis.

    A job's folder is the one of its id below ``jobs`` in ``home``, the settings' by default, where
    it is there: a home may have been moved since the job was queued.
    """

    def __init__(self, redis: Redis, home: Path | None = None) -> None:
        self.redis = redis
        self._folder = (home or load_settings().home) / "jobs"
        self._reported: set[str] = set()
        self._change = redis.register_script(CHANGE)
        self._states = redis.register_script(STATES)

    # -- records

    def submit(
        self,
        kind: str,
        name: str,
        config: dict[str, Any],
        spec: dict[str, Any],
        folder: Path,
        *,
        priority: int = 0,
        retries: int = 5,
        cards: int = 1,
        card_memory_mb: int = 0,
        state: JobState = JobState.QUEUED,
    ) -> Job:
        """Queue a job, in a new folder within ``folder``, to run on this version of the code.

        With another ``state`` nobody runs it; workers build batches for it all the same.
        """
        job_id = secrets.token_hex(4)
        with span("queue a job", traceparent(), job=job_id):
            job = Job(
                id=job_id,
                kind=kind,
                name=name,
                folder=folder / job_id,
                config=config,
                spec=spec,
                code_version=code_version(),
                created_at=time.time(),
                priority=priority,
                retries=retries,
                cards=cards,
                card_memory_mb=card_memory_mb,
                state=state,
                request=request_id(),
                trace=traceparent(),
                installation=self.installation(folder),
            )
            try:
                for file, content in (("config", config), ("spec", spec)):
                    write_atomically(job.folder / f"{file}.json", json.dumps(content, indent=2))
                self._copy(job)
            except OSError as error:
                raise BaliError(
                    f"cannot write the job to {job.folder}: {error.strerror}"
                ) from error
            self._put(job, "submitted")
            return job

    def get(self, job_id: str) -> Job:
        """Return a job by its id; raises :class:`JobNotFoundError`."""
        fields: Any = self.redis.hgetall(keys(job_id)[0])
        if not fields:
            raise JobNotFoundError(f"no job {job_id}: `bali jobs list` shows them")
        try:
            return self._decode(fields)
        except ValueError as error:
            raise BaliError(_unreadable(job_id, error)) from error

    def find(self, start: str) -> Job:
        """Return the one job whose id begins with ``start``."""
        ids = [job_id for job_id in self.ids() if job_id.startswith(start)]
        if len(ids) > 1:
            raise UsageError(f"several jobs begin with {start}: {', '.join(sorted(ids))}")
        return self.get(ids[0] if ids else start)

    def ids(self) -> list[str]:
        """Return the ids of all jobs, newest first."""
        members: Any = self.redis.zrevrange(INDEX, 0, -1)
        return [member.decode() for member in members]

    def states(self) -> dict[str, str]:
        """Return the state of every job by its id, newest first."""
        found: Any = self._states(keys=[INDEX])
        words = [word.decode().strip('"') for word in found]
        return dict(zip(words[::2], words[1::2], strict=True))

    def list(self, *states: JobState) -> list[Job]:
        """Return the jobs (in ``states``, if given), newest first, as :meth:`read` does."""
        found = self.states().items()
        return self.read(job_id for job_id, state in found if not states or state in states)

    def summaries(self, ids: Iterable[str]) -> builtins.list[Job]:
        """Return jobs as :meth:`read` does, but without ``config`` and ``spec``, which are long."""
        ids = [*ids]
        names = [name for name in Job.model_fields if name not in ("config", "spec")]
        with self.redis.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.hmget(keys(job_id)[0], names)
            rows = pipeline.execute()
        empty = {b"config": b"{}", b"spec": b"{}"}
        fields = [name.encode() for name in names]
        records = [
            {k: v for k, v in zip(fields, row, strict=True) if v is not None} for row in rows
        ]
        jobs = [self._readable(i, r | empty) for i, r in zip(ids, records, strict=True) if r]
        return [job for job in jobs if job]

    def read(self, ids: Iterable[str]) -> builtins.list[Job]:
        """Return jobs by their ids.

        A record that cannot be read is left out, and logged the first time.
        """
        ids = [*ids]
        with self.redis.pipeline(transaction=False) as pipeline:
            for job_id in ids:
                pipeline.hgetall(keys(job_id)[0])
            records = dict(zip(ids, pipeline.execute(), strict=True))
        jobs = [self._readable(job_id, fields) for job_id, fields in records.items() if fields]
        return [job for job in jobs if job]

    def _readable(self, job_id: str, fields: Any) -> Job | None:
        try:
            return self._decode(fields)
        except ValueError as error:
            if job_id not in self._reported:
                self._reported.add(job_id)
                logger.warning(_unreadable(job_id, error))
            return None

    def _decode(self, fields: Any) -> Job:
        values = {name.decode(): json.loads(value) for name, value in fields.items()}
        job = Job.model_validate(values)
        here = self._folder / job.id
        if here == job.folder or not here.is_dir():
            return job
        return job.model_copy(update={"folder": here, "artefacts": _moved(job, here)})

    # -- changes

    def change(
        self,
        job_id: str,
        fields: Mapping[str, Any] | None = None,
        *,
        expect: Mapping[str, Any] | None = None,
        free: bool = False,
        lease_s: float | None = None,
        holder: str = "",
        event: tuple[str, Mapping[str, Any]] | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> bool:
        """Change a job in one step, if its fields are as in ``expect``; return whether they were.

        ``free``: only while no lease exists; ``lease_s``: seconds for which
        ``holder`` has the lease, 0 to drop it.
        """
        change = {
            "expect": encode(expect or {}),
            "set": encode(fields or {}),
            "free": free,
            "lease_ms": None if lease_s is None else int(lease_s * 1000),
            "holder": holder,
            "event": event and [event[0], json.dumps(event[1], default=str)],
            "metrics": metrics and json.dumps(metrics),
        }
        given = {name: value for name, value in change.items() if value is not None}
        result = self._change(keys=keys(job_id), args=[json.dumps(given)])
        if result == -1:
            raise JobNotFoundError(f"no job {job_id}: `bali jobs list` shows them")
        return bool(result)

    def transition(
        self,
        job: Job,
        event: str,
        *,
        free: bool = False,
        lease_s: float | None = None,
        **fields: Any,
    ) -> Job | None:
        """Move a job on from the state and holder in ``job``; None when it is no longer there."""
        told = {name: value for name, value in fields.items() if name not in ("state", "holder")}
        if not self.change(
            job.id,
            fields,
            expect=job.claim,
            free=free,
            lease_s=lease_s,
            holder=fields.get("holder", job.holder),
            event=(event, told),
        ):
            return None
        moved = self.get(job.id)
        if moved.folder.is_dir():  # not on a machine that only looks at the job
            with suppress(OSError):  # the copy is only for when Redis loses the record
                self._copy(moved)
        return moved

    def request_cancel(self, job_id: str) -> Job:
        """Cancel a queued job at once; ask a running one to stop after a checkpoint."""
        while not (job := self.get(job_id)).state.ended:
            if job.state == JobState.QUEUED:
                now = time.time()
                done = self.transition(job, "cancelled", state=JobState.CANCELLED, finished_at=now)
            else:
                done = self.transition(job, "cancel requested", cancel_requested=True)
            if done:
                return done
        raise UsageError(f"job {job.id} has already {job.state}")

    def cancel_requested(self, job_id: str) -> bool:
        """Whether the job shall stop."""
        return self.get(job_id).cancel_requested

    def resume(self, job_id: str) -> Job:
        """Queue a failed or cancelled job again, to continue on this version of the code."""
        job = self.get(job_id)
        fresh: dict[str, Any] = {
            "state": JobState.QUEUED,
            "cancel_requested": False,
            "message": "",
            "stalls": 0,
            "finished_at": None,
            "code_version": code_version(),
        }
        if job.state not in (JobState.FAILED, JobState.CANCELLED):
            raise UsageError(f"job {job.id} is {job.state}: only failed or cancelled jobs resume")
        return self.transition(job, "resumed by hand", **fresh) or self.get(job_id)

    def adopt(self, job_id: str) -> Job:
        """Let a queued job run on this version of the code, which may not end in the same bytes."""
        job = self.get(job_id)
        if job.state != JobState.QUEUED:
            raise UsageError(f"job {job.id} is {job.state}: only queued jobs are adopted")
        adopted = self.transition(job, "adopted", code_version=code_version(), message="")
        return adopted or self.get(job_id)

    def prioritise(self, job_id: str, priority: int) -> Job:
        """Let a job start before all queued ones of a lower priority."""
        job = self.get(job_id)
        return self.transition(job, "priority", priority=priority) or self.get(job_id)

    # -- what happened

    def event(self, job_id: str, kind: str, /, **data: Any) -> None:
        """Append an event."""
        self.change(job_id, event=(kind, data))

    def events(self, job_id: str, after: str = "-") -> Iterator[Event]:
        """Yield a job's events in order, those after the event with id ``after`` if given."""
        for entry, fields in self._read(keys(job_id)[2], after):
            yield Event(id=entry, type=fields[b"type"].decode(), data=json.loads(fields[b"data"]))

    def metrics(self, job_id: str, after: str = "-") -> Iterator[tuple[str, dict[str, float]]]:
        """Yield ``(id, values)`` in order, with ``step`` among the values."""
        for entry, fields in self._read(keys(job_id)[3], after):
            yield entry, json.loads(fields[b"data"])

    def _read(self, stream: str, after: str) -> Iterator[tuple[str, dict[bytes, bytes]]]:
        entries: Any = self.redis.xrange(stream, after if after == "-" else f"({after}")
        for entry, fields in entries:
            yield entry.decode(), fields

    # -- keeping and losing

    def lease_left_s(self, job_id: str) -> float:
        """Return how long a job's lease lasts unless it is renewed; 0 where nobody has one."""
        left: Any = self.redis.pttl(keys(job_id)[1])
        return float(max(left, 0)) / 1000

    def installation(self, folder: Path) -> str:
        """Return the random name of this Redis as a place of jobs.

        One that Redis has lost with everything else comes back from ``folder``, which remembers
        the names of the servers that its jobs were queued in.
        """
        at = self.redis.connection_pool.connection_kwargs
        address = f"{at.get('path') or at.get('host')}:{at.get('port', '')}/{at.get('db') or 0}"
        file = folder / "installations.json"
        try:
            remembered: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            remembered = {}
        self.redis.set(_INSTALLATION, remembered.get(address) or secrets.token_hex(8), nx=True)
        name: Any = self.redis.get(_INSTALLATION)
        name = name.decode() if isinstance(name, bytes) else name
        if remembered.get(address) != name:
            with suppress(OSError):  # then what Redis loses cannot be told from others' jobs
                write_atomically(file, json.dumps({**remembered, address: name}))
        return str(name)

    def restore(self, job: Job) -> None:
        """Put a record back that Redis has lost, or its place in the list of all jobs."""
        if self.redis.exists(keys(job.id)[0]):
            self.redis.zadd(INDEX, {job.id: job.created_at}, nx=True)
        else:
            self._put(job, "restored")

    def recover(self, folder: Path) -> None:
        """Restore the records in ``folder`` of jobs that were queued in this Redis and are lost.

        Copies of jobs that were forgotten go; those of other installations stay where they are.
        """
        # One that drops keys when it is full may have lost a record that the list still names.
        known, installation = set(self.states()), self.installation(folder)
        for copy in folder.glob(f"*/{_COPY}"):
            if copy.parent.name in known:
                continue
            with suppress(OSError, ValidationError):  # a copy that is going, or of old times
                job = Job.model_validate_json(copy.read_bytes())
                if self.redis.zscore(_FORGOTTEN, job.id) is not None:
                    copy.unlink()
                elif job.installation == installation:
                    self.restore(job)

    def prune(self, older_than_s: float) -> Sequence[Job]:
        """Forget the records of jobs that ended so long ago, and return them.

        Their folders stay, but for the checkpoints of those that succeeded: nothing resumes them.
        One that is resumed meanwhile stays, too.
        """
        limit = time.time() - older_than_s
        ended = self.list(*(state for state in JobState if state.ended))
        old = [job for job in ended if (job.finished_at or job.created_at) < limit]
        return [job for job in old if self._prune(job)]

    def _prune(self, job: Job) -> bool:
        with suppress(JobNotFoundError):
            if self.change(job.id, expect=job.claim):
                if job.state == JobState.SUCCEEDED:
                    shutil.rmtree(job.folder / "checkpoints", ignore_errors=True)
                self.forget(job)
                return True
        return False

    def forget(self, job: Job) -> None:
        """Remove a job's record for good; its folder stays."""
        (job.folder / _COPY).unlink(missing_ok=True)
        # Before the record goes: another machine may still have a copy to restore it from.
        self.redis.zadd(_FORGOTTEN, {job.id: time.time()})
        self.redis.zremrangebyrank(_FORGOTTEN, 0, -_FORGOTTEN_KEPT - 1)
        self.redis.zrem(INDEX, job.id)
        self.redis.delete(*keys(job.id))

    def _put(self, job: Job, event: str) -> None:
        record, _, events, _ = keys(job.id)
        fields: Any = encode(job.model_dump(mode="json"))
        with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.hset(record, mapping=fields)
            pipeline.zadd(INDEX, {job.id: job.created_at})
            pipeline.xadd(events, {"type": event, "data": json.dumps({"state": job.state})})
            pipeline.execute()

    def _copy(self, job: Job) -> None:
        write_atomically(job.folder / _COPY, job.model_dump_json(indent=2))


def _unreadable(job_id: str, error: ValueError) -> str:
    reason = " ".join(str(error).split())[:200]
    return f"job {job_id}: its record cannot be read ({reason}): a newer version may read it"


def _moved(job: Job, folder: Path) -> dict[str, str]:
    """Return where the artefacts of a job lie whose folder is elsewhere now."""
    within = {
        name: Path(path).relative_to(job.folder)
        for name, path in job.artefacts.items()
        if Path(path).is_relative_to(job.folder)
    }
    return job.artefacts | {name: str(folder / path) for name, path in within.items()}
