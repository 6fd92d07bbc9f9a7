"""Requests as they pass, counted and traced, and the platform as Prometheus scrapes it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bali_platform.base.errors import BaliError
from bali_platform.base.measures import (
    BATCH_BUILD,
    BUCKETS_S,
    CHECKPOINT,
    CHECKPOINT_BYTES,
    LAST_CHECKPOINT,
    LATEST,
    NEO4J,
    Cell,
)
from bali_platform.base.telemetry import PARENT, Span, span
from bali_platform.jobs import JobState
from bali_platform.jobs.measures import publish, published

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from bali_platform.api.backend import Backend


EVENTS = "text/event-stream"
HISTOGRAMS: tuple[tuple[str, str, list[str]], ...] = (
    (BATCH_BUILD, "Time in which a machine's workers built a batch.", ["worker"]),
    (NEO4J, "Time to the last row of a shipped statement.", ["statement"]),
    (CHECKPOINT, "Time in which a trainer wrote a checkpoint.", []),
)
BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """The metrics of one server."""

    def __init__(self, backend: Backend) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Platform(backend))
        self.requests = Counter(
            "bali_requests",
            "HTTP requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.seconds = Histogram(
            "bali_request_seconds",
            "Time to a complete answer; event streams are left out.",
            ("route",),
            buckets=BUCKETS,
            registry=self._registry,
        )

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class Measured:
    """Middleware that counts and times requests, by route template and not by address."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, streams, started = 0, False, time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                streams = Headers(scope=message).get("content-type", "").startswith(EVENTS)
            await send(message)

        parent = Headers(scope=scope).get(PARENT, "")
        try:
            with span("request", parent) as request:
                try:
                    await self._app(scope, receive, watch)
                finally:
                    _tell(request, scope, status or 499)
        finally:
            route = _route(scope)
            self._metrics.requests.labels(_method(scope), route, status or 499).inc()
            if not streams:
                self._metrics.seconds.labels(route).observe(time.perf_counter() - started)


def _tell(request: Span, scope: Scope, status: int) -> None:
    request.update_name(f"{_method(scope)} {_route(scope)}")
    request.set_attribute("http.request.method", _method(scope))
    request.set_attribute("http.route", _route(scope))
    request.set_attribute("http.response.status_code", status)


def _route(scope: Scope) -> str:
    # As OpenAPI writes it: "{cui:path}", which lets an id hold slashes, is "{cui}" to a reader.
    return str(getattr(scope.get("route"), "path", "none")).replace(":path}", "}")


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in {"GET", "HEAD", "POST"} else "other"


class _Platform(Collector):
    """Reads the services at each scrape; what does not answer is left out, and shown as down."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def describe(self) -> list[Metric]:
        """Describe nothing, so that registering asks no service."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of graph, cache, workers, queues and jobs."""
        up = GaugeMetricFamily("bali_service_up", "Whether a service answers.", labels=["service"])
        up.add_metric(["neo4j"], float(self._backend.neo4j_answers))
        up.add_metric(["graph"], float(self._backend.etag is not None))
        yield from self._answers()
        yield from self._workers()
        try:
            yield from [*self._queues(), *self._jobs(), *self._cache(), *self._measures()]
            up.add_metric(["redis"], 1)
        except (RedisError, BaliError):
            up.add_metric(["redis"], 0)
        yield up

    def _answers(self) -> Iterator[Metric]:
        answers = self._backend.answers
        yield _counter("bali_answers_hits", "Graph answers from memory.", answers.hits)
        yield _counter("bali_answers_misses", "Graph answers made anew.", answers.misses)
        yield GaugeMetricFamily("bali_answers_bytes", "Memory of kept answers.", answers.bytes)

    def _workers(self) -> Iterator[Metric]:
        seen = GaugeMetricFamily(
            "bali_worker_last_seen_timestamp_seconds",
            "When a worker last answered a call.",
            labels=["worker", "queues"],
        )
        busy = GaugeMetricFamily(
            "bali_worker_tasks", "Tasks that a worker was running then.", labels=["worker"]
        )
        for worker in self._backend.workers:
            seen.add_metric([worker.name, ",".join(worker.queues)], worker.seen)
            busy.add_metric([worker.name], worker.tasks)
        yield from (seen, busy)

    def _queues(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("bali_queue_depth", "Messages that wait.", labels=["queue"])
        for queue, waiting in self._backend.queue_depths().items():
            depth.add_metric([queue], waiting)
        yield depth

    def _jobs(self) -> Iterator[Metric]:
        states = self._backend.jobs.states()
        jobs = GaugeMetricFamily("bali_jobs", "Jobs by state.", labels=["state"])
        for state in JobState:
            jobs.add_metric([state], [*states.values()].count(state))
        steps = GaugeMetricFamily("bali_job_step", "Of running jobs.", labels=["job", "name"])
        last = GaugeMetricFamily(
            "bali_job_metric",
            "Last reported loss, sentences_s and so on of running jobs.",
            labels=["job", "name", "metric"],
        )
        running = (job for job, state in states.items() if state == JobState.RUNNING)
        for job in self._backend.jobs.summaries(running):
            steps.add_metric([job.id, job.name], job.step)
            for metric, value in job.metrics.items():
                last.add_metric([job.id, job.name, metric], value)
        yield from (jobs, steps, last)

    def _cache(self) -> Iterator[Metric]:
        stats = self._backend.cache_stats()
        yield _counter("bali_cache_hits", "Neighbourhoods found in Redis.", stats.hits)
        yield _counter("bali_cache_misses", "Neighbourhoods not found in Redis.", stats.misses)
        yield _counter("bali_cache_evicted", "Entries dropped to stay in budget.", stats.evicted)
        yield GaugeMetricFamily("bali_cache_entries", "Entries in the cache.", stats.entries)
        yield GaugeMetricFamily("bali_cache_bytes", "Memory that they take.", stats.bytes)

    def _measures(self) -> Iterator[Metric]:
        """Yield what all processes have measured, this one too."""
        publish(self._backend.redis)
        cells = published(self._backend.redis)
        for name, text, labels in HISTOGRAMS:
            yield _histogram(name, text, labels, cells)
        written = cells.get(Cell(CHECKPOINT_BYTES, "", "total"), 0)
        yield _counter(CHECKPOINT_BYTES, "Bytes of all checkpoints written.", written)
        last = cells.get(Cell(LAST_CHECKPOINT, "", LATEST), 0)
        yield GaugeMetricFamily(LAST_CHECKPOINT, "When a trainer last wrote one.", last)


def _histogram(
    name: str, text: str, labels: list[str], cells: Mapping[Cell, float]
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=labels)
    values = {cell.label for cell in cells if cell.metric == name} if labels else {""}
    for value in sorted(values):
        bounds = [*map(str, BUCKETS_S), "+Inf"]
        counts = accumulate(cells.get(Cell(name, value, bound), 0.0) for bound in bounds)
        total = cells.get(Cell(name, value, "sum"), 0.0)
        family.add_metric([value] if labels else [], [*zip(bounds, counts, strict=True)], total)
    return family


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, text, value)
