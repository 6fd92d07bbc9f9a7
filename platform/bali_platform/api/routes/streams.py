"""Server-sent events: the platform at a glance, and a job as it runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Header
from fastapi.responses import Response, StreamingResponse
from redis.exceptions import RedisError

from bali_platform.api.backend import Backend, backend_of
from bali_platform.api.manners import StrictRoute
from bali_platform.api.models import JobId, JobSummary
from bali_platform.api.problems import ProblemError, documented
from bali_platform.api.routes.service import read_status
from bali_platform.base.errors import BaliError

LOOK_EVERY_S = 1.0
KEEP_ALIVE_S = 15.0
MAX_STREAMS = 200
START = "-_-"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

router = APIRouter(tags=["jobs"], route_class=StrictRoute)
Connected = Annotated[Backend, Depends(backend_of)]
Position = Annotated[
    str,
    Header(
        alias="Last-Event-ID",
        pattern=r"^(-|\d{1,18}-\d{1,18})_(-|\d{1,18}-\d{1,18})$",
        description="The `id` received last: the stream goes on after it.",
    ),
]
Look = Callable[[str], tuple[str | None, list[str]]]
"""From where a stream stands to where it stands next, None at its end, and what to send."""


def _documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    stream = {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
    return {200: {"description": "Events, for as long as you listen.", **stream}} | documented(
        *kinds
    )


@router.get("/events", response_class=StreamingResponse, responses=_documented())
async def follow_platform(backend: Connected) -> Response:
    """Stream what `/status` returns, as an event `status` whenever it changes."""

    def look(before: str) -> tuple[str, list[str]]:
        now = backend.glance(lambda: read_status(backend).model_dump_json())
        return now, [] if now == before else [_message("status", now)]

    return _stream(backend, look, "")


@router.get(
    "/jobs/{job_id}/events",
    response_class=StreamingResponse,
    responses=_documented("unknown-job"),
)
async def follow_job(job_id: JobId, backend: Connected, position: Position = START) -> Response:
    """Stream a job from its first event on.

    Events are `job` (its record), `metrics` (a list of rows with `step`), `event` (what happened),
    and `end` once it has ended and everything was sent: close the stream then.
    """
    await to_thread.run_sync(backend.jobs.get, job_id)
    return _stream(backend, _JobFollower(backend, job_id), position)


class _JobFollower:
    def __init__(self, backend: Backend, job_id: str) -> None:
        self._jobs, self._id = backend.jobs, job_id
        self._told: JobSummary | None = None

    def __call__(self, position: str) -> tuple[str | None, list[str]]:
        # Read first, so that nothing is missed of what came before the job's end.
        job = JobSummary.model_validate(self._jobs.get(self._id))
        events, metrics = position.split("_")
        messages = []
        if job != self._told:
            self._told = job
            messages.append(_message("job", job.model_dump_json()))
        if rows := list(self._jobs.metrics(self._id, metrics)):
            metrics = rows[-1][0]
            values = json.dumps([values for _, values in rows])
            messages.append(_message("metrics", values, f"{events}_{metrics}"))
        for event in self._jobs.events(self._id, events):
            events = event.id
            told = json.dumps({"time": event.time, "type": event.type, "data": event.data})
            messages.append(_message("event", told, f"{events}_{metrics}"))
        if job.state.ended and not messages:
            return None, [_message("end", "{}")]
        return f"{events}_{metrics}", messages


def _stream(backend: Backend, look: Look, position: str) -> Response:
    if backend.streams >= MAX_STREAMS:
        raise ProblemError("unavailable", f"{MAX_STREAMS} event streams are open already")
    follow = _follow(backend, look, position)
    return StreamingResponse(follow, media_type="text/event-stream", headers=HEADERS)


async def _follow(backend: Backend, look: Look, position: str | None) -> AsyncIterator[str]:
    backend.streams += 1
    quiet_s = 0.0
    try:
        while position is not None and not backend.closing.is_set():
            try:
                position, messages = await to_thread.run_sync(look, position)
            except (RedisError, BaliError) as error:
                messages = [_message("trouble", json.dumps({"detail": str(error)}))]
            quiet_s = 0.0 if messages else quiet_s + LOOK_EVERY_S
            if quiet_s >= KEEP_ALIVE_S:
                messages, quiet_s = [": still here\n\n"], 0.0
            yield "".join(messages)
            await asyncio.sleep(LOOK_EVERY_S)
    finally:
        backend.streams -= 1


def _message(event: str, data: str, position: str | None = None) -> str:
    """Return one event; ``data`` is JSON, which holds no line break."""
    return f"event: {event}\n" + (f"id: {position}\n" if position else "") + f"data: {data}\n\n"
