"""Routes about the service itself."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST
from redis.exceptions import RedisError

from bali_platform import __version__
from bali_platform.api.backend import Backend, backend_of
from bali_platform.api.models import CacheStatus, Health, JobSummary, Status, WorkerStatus
from bali_platform.api.problems import documented
from bali_platform.base.errors import BaliError
from bali_platform.jobs import JobState

RECENT = 50
router = APIRouter(tags=["service"])
Connected = Annotated[Backend, Depends(backend_of)]


@router.get(
    "/health", responses={503: {"model": Health, "description": "A service does not answer."}}
)
def show_health(backend: Connected, response: Response) -> Health:
    """Tell whether Neo4j and Redis answer; needs no token."""
    neo4j, redis = backend.neo4j_answers, backend.redis_answers()
    response.status_code = 200 if neo4j and redis else 503
    return Health(status="ok" if neo4j and redis else "degraded", neo4j=neo4j, redis=redis)


@router.get("/health/live", status_code=204, response_class=Response)
def show_life() -> None:
    """Tell that this server itself answers, whatever the services do; needs no token."""


@router.get("/status", responses=documented())
def show_status(backend: Connected) -> Status:
    """Return the platform at a glance: graph, queues, workers, cache and recent jobs."""
    return read_status(backend)


@router.get(
    "/metrics",
    response_class=Response,
    responses=documented()
    | {200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}},
)
def show_metrics(backend: Connected) -> Response:
    """Return the metrics for Prometheus."""
    return Response(backend.metrics.render(), media_type=CONTENT_TYPE_LATEST)


def read_status(backend: Backend) -> Status:
    """Ask the services; what does not answer is left out."""
    try:
        states, queues = backend.jobs.states(), backend.queue_depths()
        recent = backend.jobs.summaries(islice(states, RECENT))
        stats = backend.cache_stats()
        cache = CacheStatus(entries=stats.entries, bytes=stats.bytes, hit_rate=stats.hit_rate)
    except (RedisError, BaliError):
        states, queues, recent, cache = {}, {}, [], None
    release = backend.release
    return Status(
        version=__version__,
        graph_version=release and release["graph_version"],
        release=release and release["version"],
        browser=backend.browser,
        redis=cache is not None,
        queues=queues,
        jobs={state: [*states.values()].count(state) for state in JobState},
        recent=[JobSummary.model_validate(job) for job in recent],
        workers=[WorkerStatus.model_validate(worker) for worker in backend.workers],
        cache=cache,
    )
