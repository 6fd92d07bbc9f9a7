"""Errors as clients see them: problem details for HTTP APIs (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from neo4j.exceptions import Neo4jError
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from bali_platform.api.methods import allowed
from bali_platform.base.errors import BaliError, NotFoundError, UsageError
from bali_platform.graph.cypher import (
    BadCypherError,
    MemoryLimitError,
    NotReadOnlyError,
    TimeLimitError,
)
from bali_platform.graph.vectors import NoVectorsError
from bali_platform.jobs import JobNotFoundError

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_S = 2
MAX_DETAIL = 1_000
_TITLES = {
    "invalid-request": (422, "The request is not valid"),
    "too-slow": (422, "The request needs more time than it may take"),
    "too-much-memory": (422, "The request needs more memory than it may take"),
    "bad-cypher": (400, "Neo4j cannot run this Cypher"),
    "not-read-only": (403, "Only queries that read the graph are run"),
    "token-needed": (401, "A valid bearer token is needed"),
    "foreign-origin": (403, "Another site may not ask for this"),
    "wrong-host": (421, "This server does not answer for that host"),
    "unknown-concept": (404, "The graph has no such concept or code"),
    "unknown-job": (404, "There is no such job"),
    "not-found": (404, "There is nothing at this address"),
    "method-not-allowed": (405, "This address does not take that method"),
    "unsupported-media-type": (415, "The body is not of a type that is read here"),
    "conflict": (409, "The job's state does not allow this"),
    "no-vectors": (409, "The graph has no vectors for this"),
    "too-large": (413, "The request is too large"),
    "busy": (429, "More is waiting than the server takes on"),
    "unavailable": (503, "A service that is needed does not answer"),
    "internal": (500, "The server made a mistake"),
}
logger = logging.getLogger(__name__)


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="Parameter or field, with its place in the request.")
    detail: str


class Problem(BaseModel):
    """What went wrong, and what to do about it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:bali:problem:unknown-concept",
                "title": _TITLES["unknown-concept"][1],
                "status": 404,
                "detail": "no concept C9999999: look for it with /concepts?q=...",
            }
        }
    )

    type: str = Field(description="What kind of problem, stable: `urn:bali:problem:<kind>`.")
    title: str = Field(description="The kind, in words.")
    status: int = Field(description="The HTTP status again.")
    detail: str = Field(description="One line about this occurrence.")
    errors: list[Fault] | None = Field(None, description="Every fault of an invalid request.")


class ProblemError(HTTPException):
    """Ends a request with a problem of ``kind``, one of those that ``docs/api.md`` lists."""

    def __init__(self, kind: str, detail: str, *, retry_after_s: int = _RETRY_AFTER_S) -> None:
        super().__init__(_TITLES[kind][0], detail)
        self.kind, self.retry_after_s = kind, retry_after_s


def render(kind: str, detail: str, faults: Sequence[Fault] = ()) -> Response:
    """Return the response that tells a client of a problem."""
    status, title = _TITLES[kind]
    return _response(f"urn:bali:problem:{kind}", title, status, detail, faults)


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Return the ``responses`` of a route that can end in these kinds, or an invalid request."""
    titles: dict[int | str, list[str]] = {}
    for kind in ("invalid-request", *kinds, "token-needed", "too-large", "unavailable"):
        status, title = _TITLES[kind]
        titles.setdefault(status, []).append(title)
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": "; ".join(lines), "content": {MEDIA_TYPE: {"schema": schema}}}
        for status, lines in titles.items()
    }


def schemas() -> dict[str, Any]:
    """Return the JSON schemas that :func:`documented` refers to."""
    return {
        model.__name__: model.model_json_schema(ref_template="#/components/schemas/{model}")
        for model in (Fault, Problem)
    }


def install(app: FastAPI) -> None:
    """Have every error of ``app`` answered with a problem."""
    app.exception_handler(Exception)(_unexpected)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(RequestValidationError)(_invalid)
    for kind in (BaliError, ProblemError, RedisError):
        app.exception_handler(kind)(_known)


def _known(request: Request, error: Exception) -> Response:
    match error:
        case ProblemError():
            return _with_patience(render(error.kind, error.detail), error.retry_after_s)
        case BadCypherError():
            return render("bad-cypher", str(error))
        case NotReadOnlyError():
            return render("not-read-only", str(error))
        case TimeLimitError():
            return render("too-slow", str(error))
        case MemoryLimitError():
            return render("too-much-memory", str(error))
        case JobNotFoundError():
            return render("unknown-job", str(error))
        case NotFoundError():
            return render("unknown-concept", str(error))
        case NoVectorsError():
            return render("no-vectors", str(error))
        case UsageError():
            return render("invalid-request", str(error))
        case RedisError():
            return render("unavailable", "Redis does not answer: see `bali status`")
    if isinstance(error.__cause__, Neo4jError) and "TimedOut" in (error.__cause__.code or ""):
        return render("too-slow", "Neo4j needs too long for this: ask for less")
    return render("unavailable", str(error))


def _invalid(request: Request, error: RequestValidationError) -> Response:
    faults = [_fault(entry) for entry in error.errors()[:20]]
    return render("invalid-request", f"{faults[0].where}: {faults[0].detail}", faults)


def _fault(entry: Any) -> Fault:
    if entry["type"] == "json_invalid":
        return Fault(where="body", detail=f"not JSON: {entry['ctx']['error']}")
    return Fault(where=".".join(str(part)[:80] for part in entry["loc"]), detail=entry["msg"])


def _http(request: Request, error: HTTPException) -> Response:
    if error.status_code == 404:
        return render("not-found", f"{request.url.path[:200]}: see /openapi.json")
    if error.status_code == 405:
        return _not_allowed(request)
    if error.status_code == 400:  # a body that is not even text
        return render("invalid-request", f"body: {error.detail}")
    response = _response("about:blank", error.detail, error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response


def _not_allowed(request: Request) -> Response:
    methods = ", ".join(allowed(request.app.router.routes, request.scope))
    response = render("method-not-allowed", f"{request.method} is not one of {methods}")
    response.headers["Allow"] = methods
    return response


def _unexpected(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return render("internal", "see the log of `bali serve`")


def _response(
    kind: str, title: str, status: int, detail: str, faults: Sequence[Fault] = ()
) -> Response:
    problem = Problem(
        type=kind,
        title=title,
        status=status,
        detail=detail[:MAX_DETAIL],
        errors=list(faults) or None,
    )
    response = Response(
        json.dumps(problem.model_dump(exclude_none=True)), status, media_type=MEDIA_TYPE
    )
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return _with_patience(response, _RETRY_AFTER_S)


def _with_patience(response: Response, retry_after_s: int) -> Response:
    if response.status_code in (429, 503):
        response.headers["Retry-After"] = str(retry_after_s)
    return response
