"""Who asked for what: an id for every request, and a line for every change and Cypher query.

The lines go to ``logs/audit.log`` in the home, as JSON: ``action``, ``outcome``, ``client``, the
request's id, and what was asked for. The values of parameters are not written down.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bali_platform.base.logs import about, json_lines

HEADER = "X-Request-ID"
GIVEN = re.compile(r"[\w.:-]{1,64}")
MOST_CHARACTERS = 10_000

logger = logging.getLogger("bali.audit")
_client: ContextVar[str] = ContextVar("client", default="")


def write_to(log: Path) -> None:
    """Append the lines to a file, which only its owner may read."""
    log.parent.mkdir(parents=True, exist_ok=True)
    log.touch(mode=0o600)
    handler = logging.FileHandler(log, encoding="utf-8")
    handler.setFormatter(json_lines())
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)


@contextmanager
def audited(action: str, **asked: Any) -> Iterator[None]:
    """Write down what is done meanwhile, and how it ended."""
    told = {"action": action, "client": _client.get()}
    told |= {name: str(value)[:MOST_CHARACTERS] for name, value in asked.items()}
    try:
        yield
    except BaseException as error:
        logger.info(action, extra={"told": {**told, "outcome": str(error)[:1000] or "cancelled"}})
        raise
    logger.info(action, extra={"told": {**told, "outcome": "done"}})


class Identified:
    """Middleware: takes over the id that a request brings, or draws one, and sends it back."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request = given if GIVEN.fullmatch(given) else secrets.token_hex(8)

        async def send_identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                header = (HEADER.lower().encode(), request.encode())
                message["headers"] = [*message["headers"], header]
            await send(message)

        _client.set((scope.get("client") or ("",))[0])
        with about(request=request):
            await self._app(scope, receive, send_identified)
