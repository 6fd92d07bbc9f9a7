"""Streamable HTTP: a route for `bali serve`, and a server of its own for `bali mcp`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

from bali_platform.api.guard import Access, Guard
from bali_platform.api.server import MAX_CONNECTIONS, is_loopback, token_for
from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings

PATH = "/mcp"


def http_routes(server: MCPServer[Any]) -> APIRouter:
    """Return the route of streamable HTTP, without sessions; whoever serves it guards it."""
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        json_response=True,
        stateless_http=True,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with server.session_manager.run():
            yield

    router = APIRouter(lifespan=lifespan)
    router.routes.extend(inner.routes)
    return router


def serve_http(server: MCPServer[Any], settings: Settings, host: str, port: int) -> None:
    """Serve until stopped; the rules of who may ask are those of `bali serve`."""
    app = FastAPI(openapi_url=None)
    app.include_router(http_routes(server))
    app.add_middleware(Guard, access=Access(token_for(settings, host), is_loopback(host)))
    try:
        uvicorn.run(
            app, host=host, port=port, log_level="warning", access_log=False,
            limit_concurrency=MAX_CONNECTIONS,
        )  # fmt: skip
    except SystemExit as stopped:  # uvicorn's way to say that it could not start
        if stopped.code:
            raise BaliError(
                f"cannot listen on {host} port {port}: choose another with --port"
            ) from stopped
