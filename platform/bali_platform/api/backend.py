"""What the routes work with: the live graph, followed as it changes, and the job store."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import neo4j
from fastapi import APIRouter, Request
from kombu.exceptions import OperationalError
from neo4j.exceptions import DriverError
from redis import Redis
from redis.exceptions import RedisError

from bali_platform.api.answers import AnswerCache, entity_tag
from bali_platform.api.asking import Desk, questions
from bali_platform.api.coalescing import CoalescingGraph
from bali_platform.api.metrics import Metrics
from bali_platform.api.models import JobRequest
from bali_platform.base.errors import BaliError
from bali_platform.base.logs import keep_small
from bali_platform.base.settings import Settings
from bali_platform.jobs import Job, JobStore, connect
from bali_platform.jobs.queues import GPU, SUBGRAPHS, waiting
from bali_platform.services import neo4j_login
from bali_platform.subgraphs import CacheStats, RedisCache, open_cache
from bali_platform.terminology import Terminology
from bali_platform.terminology.warming import warm_up

Submit = Callable[[JobRequest], Job]
"""Checks and queues a job."""

Extension = Callable[["Backend"], APIRouter]
"""Makes routes that work with a backend, for a server to have beside its own."""

WATCH_EVERY_S = 1.0
WORKERS_EVERY_S = 10.0
GLANCE_EVERY_S = 0.5


@dataclass(frozen=True)
class Worker:
    """A Celery worker process that answered a call, ``seen`` seconds since the epoch."""

    name: str
    queues: tuple[str, ...]
    tasks: int
    seen: float


class Backend:
    """Connections of one server process; ``start`` before use, ``stop`` at the end.

    A thread looks at the graph every second, so that a request never waits to find out which
    version is live, and an outage is answered at once.
    """

    def __init__(self, settings: Settings, submit: Submit | None = None) -> None:
        self.settings = settings
        self.submit = submit
        self.answers = AnswerCache()
        self.metrics = Metrics(self)
        self.streams = 0
        self.neo4j_answers = False
        self.closing = threading.Event()
        self.browser: str | None = None
        self._graph: CoalescingGraph | None = None
        self._terms: Terminology | None = None
        self._warmed: Terminology | None = None
        self._questions = questions()
        self._tag = ""
        self._why = "the server is starting"
        self._workers: tuple[Worker, ...] = ()
        self._glancing = threading.Lock()
        self._seen, self._glanced_at = "", -math.inf
        watched = (
            (self._look_at_graph, WATCH_EVERY_S),
            (self._warm_up, WATCH_EVERY_S),
            (self._call_workers, WORKERS_EVERY_S),
        )
        self._threads = [
            threading.Thread(target=self._follow, args=work, daemon=True) for work in watched
        ]

    def start(self) -> None:
        """Connect, and begin to follow the graph and the workers."""
        self._look_at_graph()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let go of everything."""
        self.closing.set()
        for thread in self._threads:
            thread.join()
        if self._graph:
            self._graph.close()

    @property
    def graph(self) -> CoalescingGraph:
        """The live graph; raises :class:`BaliError` while there is none."""
        if self._graph is None:
            raise BaliError(self._why)
        return self._graph

    @property
    def terms(self) -> Terminology:
        """The live graph's terminology, which reads some things once."""
        if self._terms is None:
            raise BaliError(self._why)
        return self._terms

    @property
    def desk(self) -> Desk:
        """Where single questions about its codes are put together."""
        return Desk(self.terms, self._questions)

    @property
    def release(self) -> dict[str, Any] | None:
        """What the live graph says of itself, if there is one."""
        graph = self._graph
        return graph.release if graph else None

    @property
    def etag(self) -> str | None:
        """The entity tag of everything that is said about the live graph, if there is one."""
        return self._tag if self._graph else None

    @cached_property
    def redis(self) -> Redis:
        """The Redis of this home."""
        return connect(self.settings)

    @cached_property
    def jobs(self) -> JobStore:
        """The job store."""
        return JobStore(self.redis, self.settings.home)

    @cached_property
    def _cache(self) -> RedisCache:
        return open_cache(self.settings)

    @property
    def workers(self) -> tuple[Worker, ...]:
        """The workers that answered the last call, a few seconds ago."""
        return self._workers

    def redis_answers(self) -> bool:
        """Whether Redis answers now."""
        with suppress(RedisError, BaliError):
            return bool(self.redis.ping())
        return False

    def queue_depths(self) -> dict[str, int]:
        """Return how many messages wait in each queue."""
        return {queue: waiting(self.redis, queue) for queue in (SUBGRAPHS, GPU)}

    def cache_stats(self) -> CacheStats:
        """Return the counters of the neighbourhood cache, over all processes."""
        return self._cache.stats()

    def glance(self, look: Callable[[], str]) -> str:
        """Return what ``look`` sees, for all who ask within half a second the same."""
        with self._glancing:
            if time.monotonic() - self._glanced_at > GLANCE_EVERY_S:
                self._seen, self._glanced_at = look(), time.monotonic()
            return self._seen

    def _follow(self, look: Callable[[], None], every_s: float) -> None:
        while not self.closing.wait(every_s):
            look()

    def _look_at_graph(self) -> None:
        answers = False
        try:
            graph = self._graph or self._connect()
            rows = graph.query("release")
            answers = True
            if self._graph is None or not rows or rows[0]["graph_version"] != graph.version:
                # Requests may still read the old one, which closes when the last lets go of it.
                graph = self._connect()
                self._tag = entity_tag(graph.version)  # reads it, so that no request has to
                # First, or what the old graph said might be kept as said by the new one.
                self._terms = Terminology(graph)
                self._graph = graph
        except (BaliError, DriverError, ValueError) as error:  # or an address that is none
            self._graph, self._terms, self._why = None, None, str(error)
        self.neo4j_answers = answers

    def _warm_up(self) -> None:
        terms = self._terms
        if terms is not None and terms is not self._warmed:
            warm_up(terms, self.closing.is_set)
            self._warmed = terms

    def _connect(self) -> CoalescingGraph:
        at = neo4j_login(self.settings, reads_only=True)
        driver = neo4j.GraphDatabase.driver(
            at.neo4j_uri,
            auth=(at.neo4j_user, at.neo4j_password),
            database=at.neo4j_database,
            connection_timeout=3,
            connection_acquisition_timeout=5,
            max_transaction_retry_time=2,
            notifications_min_severity="OFF",
        )
        graph = CoalescingGraph(driver, at.neo4j_uri)
        self.browser = at.neo4j_browser
        return graph

    def _call_workers(self) -> None:
        from bali_platform.jobs.app import app

        for log in (self.settings.home / "logs").glob("*.log"):
            keep_small(log)
        now = time.time()
        with suppress(BaliError, OperationalError, RedisError, OSError):
            inspect = app.control.inspect(timeout=1.0)
            queues = inspect.active_queues() or {}
            active = inspect.active() or {}
            self._workers = tuple(
                Worker(name, tuple(q["name"] for q in served), len(active.get(name, ())), now)
                for name, served in sorted(queues.items())
            )


async def backend_of(request: Request) -> Backend:
    """Return the backend of the server that got ``request``; a dependency of routes."""
    return cast(Backend, request.app.state.backend)
