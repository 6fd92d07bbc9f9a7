"""Routes about the service itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST
from redis import Redis
from redis.exceptions import RedisError

from bali_platform import __version__
from bali_platform.api.backend import Backend, backend_of
from bali_platform.api.models import (
    CacheStatus,
    CardStatus,
    Health,
    JobSummary,
    Status,
    WorkerStatus,
)
from bali_platform.api.problems import documented
from bali_platform.base.errors import BaliError
from bali_platform.jobs import Job, JobState
from bali_platform.jobs.cards import published_cards

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
        running = [job_id for job_id, state in states.items() if state == JobState.RUNNING]
        cards = read_cards(backend.redis, backend.jobs.summaries(running))
        cache = CacheStatus(entries=stats.entries, bytes=stats.bytes, hit_rate=stats.hit_rate)
    except (RedisError, BaliError):
        states, queues, recent, cards, cache = {}, {}, [], [], None
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
        cards=cards,
        cache=cache,
    )


def read_cards(redis: Redis, running: Sequence[Job]) -> list[CardStatus]:
    """Return all cards, each with the job that says that it runs there."""
    users: dict[tuple[str, str], str] = {}
    for job in running:
        host, *uuids = job.place.split(" ")
        users |= {(host, uuid): job.id for uuid in uuids}
    return [
        CardStatus(**card.model_dump(), job=users.get((card.host, card.uuid)))
        for card in published_cards(redis)
    ]
