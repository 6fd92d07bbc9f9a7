"""The ASGI application: routes, what guards them, and the pages."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from fastapi.responses import RedirectResponse, Response
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware

from bali_platform import __version__
from bali_platform.api import problems
from bali_platform.api.answers import TaggedAnswers
from bali_platform.api.audit import Identified
from bali_platform.api.backend import Backend, Extension
from bali_platform.api.guard import BODY_LIMIT, MAX_BODY_BYTES, Access, Guard
from bali_platform.api.manners import VERSION, Manners
from bali_platform.api.methods import flat
from bali_platform.api.metrics import Measured
from bali_platform.api.routes import (
    cypher,
    fhir,
    graph,
    jobs,
    service,
    streams,
    terminology,
)
from bali_platform.api.routes.one_hop import OneHopRoute
from bali_platform.base.telemetry import flush

PAGES = "/ui"
PUBLIC = ("/health", "/openapi.json", f"{PAGES}/")
"""Where no token is needed: nothing there is about the graph or the jobs."""

MIN_COMPRESSED = 2_000  # bytes; less is sent faster than packed

DESCRIPTION = """Explore a UMLS graph and steer training jobs.

Answers about the graph have the shape `{nodes, edges}` and carry an `ETag` that changes with the
graph's version; send it back as `If-None-Match`. Errors are problem details (RFC 9457). Where a
token is needed it goes into the header `Authorization: Bearer TOKEN`."""


class Pages(StaticFiles):
    """The pages, which browsers ask about each time: scripts of two versions do not mix."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file; NAME.html is index.html wherever there is a NAME.js, which it runs."""
        name, dot, ending = path.rpartition(".html")
        script = super().lookup_path(f"{name}.js") if dot and not ending else ("", None)
        return super().lookup_path("index.html" if script[1] else path)

    def file_response(self, *arguments: Any, **options: Any) -> Response:
        """Return one file."""
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "no-cache"
        return response


class Api(FastAPI):
    """FastAPI, with problems and bearer tokens in its OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            components = document["components"]
            components["schemas"] |= problems.schemas()
            components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{}, {"token": []}]
            document["servers"] = [{"url": VERSION}]
            self.openapi_schema = document
        return self.openapi_schema


def create_app(backend: Backend, access: Access, extensions: Sequence[Extension] = ()) -> FastAPI:
    """Return the application, ``extensions`` included; it starts and stops ``backend``."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(backend.start)
        yield
        await to_thread.run_sync(backend.stop)
        await to_thread.run_sync(flush)

    app = Api(
        title="BALI",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages load scripts from another host
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.state.backend = backend
    app.router.routes.append(OneHopRoute(backend))
    # FastAPI tries one route after another: those that are asked most come first.
    for routes in (fhir, terminology, graph, cypher, jobs, streams, service):
        app.include_router(routes.router)
    for extension in extensions:
        app.include_router(extension(backend))
    app.include_router(graph.ids)
    app.add_api_route("/", _to_pages, include_in_schema=False)
    app.mount(PAGES, Pages(packages=[("bali_platform.api", "pages")], html=True))
    problems.install(app)
    app.add_middleware(TaggedAnswers, cache=backend.answers, live_tag=lambda: backend.etag)
    app.add_middleware(GZipMiddleware, minimum_size=MIN_COMPRESSED, compresslevel=4)
    app.add_middleware(Manners, routes=app.router.routes)
    app.add_middleware(Guard, access=access, bodies=dict(_large_bodies(app)))
    if access.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=access.origins, allow_methods=["*"],
            allow_headers=["*"], expose_headers=["ETag", "Retry-After"],
        )  # fmt: skip
    app.add_middleware(Measured, metrics=backend.metrics)
    app.add_middleware(Identified)
    return app


def _large_bodies(app: FastAPI) -> Iterator[tuple[str, int]]:
    for route in flat(app.router.routes):
        if isinstance(route, APIRoute) and route.openapi_extra:
            yield route.path, route.openapi_extra.get(BODY_LIMIT, MAX_BODY_BYTES)


def _operation_id(route: APIRoute) -> str:
    return route.name


def _to_pages() -> Response:
    return RedirectResponse(f"{PAGES}/")
