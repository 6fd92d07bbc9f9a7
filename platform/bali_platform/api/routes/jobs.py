"""Routes that show training jobs and steer them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from neo4j.exceptions import DriverError
from redis.exceptions import RedisError
from starlette.datastructures import URL

from bali_platform.api.audit import audited
from bali_platform.api.backend import Backend, backend_of
from bali_platform.api.manners import StrictRoute
from bali_platform.api.models import (
    JobId,
    JobRecord,
    JobRequest,
    Jobs,
    JobSummary,
    LogTail,
    OneJob,
)
from bali_platform.api.problems import ProblemError, documented
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.jobs import Job, JobState
from bali_platform.jobs.app import wake
from bali_platform.jobs.comparison import Comparison, compare

router = APIRouter(prefix="/jobs", tags=["jobs"], route_class=StrictRoute)


Connected = Annotated[Backend, Depends(backend_of)]


@router.get("", responses=documented())
def list_jobs(
    request: Request,
    backend: Connected,
    state: Annotated[list[JobState] | None, Query(max_length=5)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> Jobs:
    """Page through the jobs, newest first."""
    states = backend.jobs.states().items()
    found = [job_id for job_id, at in states if not state or at in state]
    page = backend.jobs.summaries(found[offset : offset + limit])
    url = URL(scope=request.scope).include_query_params(offset=offset + limit)
    more = len(found) > offset + limit
    return Jobs(
        jobs=[JobSummary.model_validate(job) for job in page],
        total=len(found),
        next=f"{url.path}?{url.query}" if more else None,
    )


@router.post("", status_code=201, response_model=JobRecord, responses=documented("foreign-origin"))
def submit_job(request: JobRequest, response: Response, backend: Connected) -> Job:
    """Check a configuration and queue a job for it."""
    if backend.submit is None:
        raise ProblemError("unavailable", "this server does not take jobs")
    try:
        with audited("submit job", **request.model_dump()):
            job = backend.submit(request)
    except BaliError as error:
        if isinstance(error.__cause__, DriverError | RedisError):
            raise
        raise ProblemError("invalid-request", str(error)) from error
    response.headers["Location"] = f"/jobs/{job.id}"
    return job


@router.get("/comparison", responses=documented("unknown-job"))
def compare_jobs(
    backend: Connected, job: Annotated[list[OneJob], Query(min_length=1, max_length=50)]
) -> Comparison:
    """Return jobs side by side: the settings that differ, last and best metrics, minutes."""
    return compare(backend.jobs, job)


@router.get("/{job_id}/log", responses=documented("unknown-job"))
def show_log(
    job_id: JobId, backend: Connected, lines: Annotated[int, Query(ge=1, le=1000)] = 30
) -> LogTail:
    """Return the last lines that a job's trainer printed."""
    return LogTail(lines=backend.jobs.get(job_id).log_tail(lines))


@router.get("/{job_id}", response_model=JobRecord, responses=documented("unknown-job"))
def show_job(job_id: JobId, backend: Connected) -> Job:
    """Return everything that is known of a job."""
    return backend.jobs.get(job_id)


@router.post(
    "/{job_id}/cancel",
    response_model=JobRecord,
    responses=documented("unknown-job", "conflict", "foreign-origin"),
)
def cancel_job(job_id: JobId, backend: Connected) -> Job:
    """Cancel a queued job at once, or a running one after its next checkpoint."""
    try:
        with audited("cancel job", job=job_id):
            return backend.jobs.request_cancel(job_id)
    except UsageError as error:
        raise ProblemError("conflict", str(error)) from error


@router.post(
    "/{job_id}/resume",
    response_model=JobRecord,
    responses=documented("unknown-job", "conflict", "foreign-origin"),
)
def resume_job(job_id: JobId, backend: Connected) -> Job:
    """Queue a failed or cancelled job again, to go on from its last checkpoint."""
    try:
        with audited("resume job", job=job_id):
            job = backend.jobs.resume(job_id)
    except UsageError as error:
        raise ProblemError("conflict", str(error)) from error
    wake()
    return job
