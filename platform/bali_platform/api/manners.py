"""What HTTP expects of every route: a version prefix, HEAD, OPTIONS, and no parameter ignored."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bali_platform.api.methods import allowed
from bali_platform.api.problems import ProblemError
from bali_platform.base.errors import did_you_mean

VERSION = "/v1"
"""Every route answers below it; addresses without it stay for one release."""


class Manners:
    """Middleware: strips the version, and answers HEAD as GET without a body, and OPTIONS."""

    def __init__(self, app: ASGIApp, routes: list[BaseRoute]) -> None:
        self._app, self._routes = app, routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on as the routes know it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(f"{VERSION}/"):
            scope["root_path"] = VERSION  # in place: who counts requests reads their route in it
        asked = scope["method"]
        methods = allowed(self._routes, scope) if asked in ("OPTIONS", "HEAD") else []
        if asked == "OPTIONS" and methods:
            await Response(None, 204, {"Allow": ", ".join(methods)})(scope, receive, send)
        elif asked == "HEAD" and "GET" in methods:
            head = _Head(send)
            await self._app(asked_for := {**scope, "method": "GET"}, _gone, head)
            scope["route"] = asked_for.get("route")
            await head.end()
        else:
            await self._app(scope, receive, send)


class _Head:
    """Sends the head of an answer, and an empty body in place of its own."""

    def __init__(self, send: Send) -> None:
        self._send, self._ended = send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
        else:
            await self.end()

    async def end(self) -> None:
        if not self._ended:
            self._ended = True
            await self._send({"type": "http.response.body", "body": b""})


async def _gone() -> Message:
    """Tell an endless stream, of which only the head was wanted, that nobody reads it."""
    return {"type": "http.disconnect"}


class StrictRoute(APIRoute):
    """A route that refuses a query parameter which it does not have."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()
        known = list(dict.fromkeys(_parameters(self.dependant)))

        async def answer_known(request: Request) -> Response:
            for name in request.query_params:
                if name not in known:
                    hint = did_you_mean(name, known) or (f": {', '.join(known)}" if known else "")
                    raise ProblemError(
                        "invalid-request", f"no query parameter '{name[:100]}'{hint}"
                    )
            return await answer(request)

        return answer_known


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for needed in dependant.dependencies:
        yield from _parameters(needed)
