"""Traces by OpenTelemetry, once its own variables ask for them: ``pip install 'bali[telemetry]'``.

One trace follows a job from the request that queued it to the process that trains. Its context, the
``traceparent`` of W3C, is kept in the job's record, and goes along with messages to workers and, in
the environment, to processes. Without the variables nothing of OpenTelemetry's SDK is imported.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

PARENT = "traceparent"
PARENT_VARIABLE = "TRACEPARENT"  # tells a process what its spans are a part of
FLUSH_MS = 2_000

logger = logging.getLogger(__name__)


class Span(Protocol):
    """What lasts for some time, and what is said of it."""

    def update_name(self, name: str) -> None:
        """Call it something else."""

    def set_attribute(self, key: str, value: str | int) -> None:
        """Say something of it."""


class _NoSpan:
    def update_name(self, name: str) -> None: ...

    def set_attribute(self, key: str, value: str | int) -> None: ...


@contextmanager
def span(
    name: str, parent: str | None = None, since: float | None = None, **attributes: str | int
) -> Iterator[Span]:
    """Trace what is done meanwhile, or was since a time in seconds since the epoch.

    It is a part of ``parent``, a ``traceparent``; of a trace of its own if that is empty; without
    one, of what is traced at this moment: where that is nothing, it is not traced either.
    """
    tracer = _tracer()
    if tracer is None or (parent is None and not (parent := traceparent())):
        yield _NoSpan()
        return
    with tracer.start_as_current_span(
        name,
        _context(parent),
        attributes={f"bali.{key}": value for key, value in attributes.items()},
        start_time=int((since or time.time()) * 1e9),
    ) as opened:
        yield opened


def traceparent() -> str:
    """Return the context of what is traced at this moment; empty if nothing is."""
    if _tracer() is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(PARENT) or os.environ.get(PARENT_VARIABLE, "")


def wanted() -> bool:
    """Whether the variables that every user of OpenTelemetry knows ask for traces."""
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "")
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporter == "none"
    return not disabled and bool(exporter or any(map(os.environ.get, endpoints)))


def flush() -> None:
    """Send what was traced, before this process ends in a way that runs nothing at exit."""
    if (provider := _provider()) is not None:
        provider.force_flush(FLUSH_MS)


def _tracer() -> Tracer | None:
    return provider.get_tracer("bali") if (provider := _provider()) is not None else None


@cache
def _provider() -> TracerProvider | None:
    if not wanted():
        return None
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning("traces need more packages: pip install 'bali[telemetry]'")
        return None
    name = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    name = {"otlp": "otlp_proto_http"}.get(name, name)
    found = [*entry_points(group="opentelemetry_traces_exporter", name=name)]
    if not found:
        logger.warning("OTEL_TRACES_EXPORTER: there is no exporter '%s'", name)
        return None
    about = Resource(
        {
            "service.name": os.environ.get("OTEL_SERVICE_NAME", "bali"),
            "host.name": socket.gethostname(),
            "process.pid": os.getpid(),
        }
    )
    provider = TracerProvider(resource=Resource.create().merge(about))
    provider.add_span_processor(BatchSpanProcessor(found[0].load()()))
    return provider


def _context(parent: str) -> Context:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({PARENT: parent}, Context())
