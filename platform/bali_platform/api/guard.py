"""Who may ask what: host, origin, token and size of every request, before anything reads it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bali_platform.api.problems import ProblemError, render
from bali_platform.api.protocol import WELCOME

MAX_BODY_BYTES = 2**20
BODY_LIMIT = "x-max-body-bytes"
"""Key of a route's OpenAPI extras: bytes of a body there, where more than elsewhere are taken."""

MAX_QUERY_BYTES = 16 * 2**10
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "[::1]"}
MEDIA_TYPES = r"application/([\w.-]+\+)?json"
READING = {"GET", "HEAD", "OPTIONS"}
HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


@dataclass(frozen=True)
class Access:
    """The rules of one server.

    Args:
        token: what requests must carry; None asks for none.
        loopback: the server listens on this machine only. Then a page of another site that a
            browser here shows must not reach it under its own name (DNS rebinding).
        public: prefixes of paths that need no token; neither does ``/``.
        origins: other sites whose pages may ask; ``*`` for all.
    """

    token: str | None = field(default=None, repr=False)
    loopback: bool = True
    public: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    def check(self, scope: Scope, max_body: int = MAX_BODY_BYTES) -> bool:
        """Return whether a request comes from somebody who may see what is not public.

        Raises :class:`ProblemError` if it may not go on.
        """
        headers = Headers(scope=scope)
        if self.loopback:
            _check_host(headers.get("host", ""))
        if scope["method"] not in READING:
            self._check_origin(headers)
            _check_media_type(headers)
        path = scope["path"].removeprefix("/v1")
        private = path != "/" and not path.startswith(self.public)
        foreign = headers.get("sec-fetch-site") == "cross-site" and not self._lets_in(headers)
        if private and foreign:
            raise ProblemError("foreign-origin", "pages of other sites get no answers")
        preflight = scope["method"] == "OPTIONS"  # a browser sends it without the token
        if self.token and private and not preflight:
            self._check_token(headers.get("authorization", ""))
        if len(scope["query_string"]) > MAX_QUERY_BYTES:
            raise ProblemError("too-large", f"the query string exceeds {MAX_QUERY_BYTES} bytes")
        if int(headers.get("content-length", "0")) > max_body:
            raise _too_large(max_body)
        return private and not preflight

    def _check_origin(self, headers: Headers) -> None:
        if self._lets_in(headers):
            return
        origin = headers.get("origin")
        foreign = origin is not None and urlsplit(origin).netloc != headers.get("host")
        if foreign or headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
            raise ProblemError(
                "foreign-origin", "requests that change something come from own pages"
            )

    def _lets_in(self, headers: Headers) -> bool:
        """Whether a request comes from another site that may ask."""
        origin = headers.get("origin")
        return origin is not None and (origin in self.origins or "*" in self.origins)

    def _check_token(self, authorisation: str) -> None:
        scheme, _, given = authorisation.partition(" ")
        wanted = (self.token or "").encode()
        if scheme.lower() != "bearer" or not secrets.compare_digest(given.encode(), wanted):
            raise ProblemError("token-needed", "send the header 'Authorization: Bearer TOKEN'")


def _check_host(host: str) -> None:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name.lower() not in LOOPBACK_NAMES:
        raise ProblemError("wrong-host", "this server answers as localhost or 127.0.0.1 only")


def _check_media_type(headers: Headers) -> None:
    given = headers.get("content-type", "").partition(";")[0].strip().lower()
    if given and headers.get("content-length") != "0" and not re.fullmatch(MEDIA_TYPES, given):
        raise ProblemError("unsupported-media-type", f"send application/json, not {given[:100]}")


def _too_large(most: int) -> ProblemError:
    return ProblemError("too-large", f"the body exceeds {most} bytes: send less at once")


class Guard:
    """Middleware: refuses what :class:`Access` forbids, and adds security headers to the rest.

    Args:
        bodies: bytes of a body by path, for paths that take more than others.
    """

    def __init__(
        self, app: ASGIApp, access: Access, bodies: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._app, self._access, self._bodies = app, access, bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        max_body = self._bodies.get(scope["path"].removeprefix("/v1"), MAX_BODY_BYTES)
        try:
            known = self._access.check(scope, max_body)
            if known and (welcome := scope.get("state", {}).get(WELCOME)):
                welcome()
        except ProblemError as problem:
            await render(problem.kind, problem.detail)(scope, receive, send_secured)
        else:
            await self._app(scope, _limited(receive, max_body), send_secured)


def _limited(receive: Receive, most: int) -> Receive:
    """Count the body as it arrives: its declared length may be missing."""
    arrived = 0

    async def receive_counted() -> Message:
        nonlocal arrived
        message = await receive()
        arrived += len(message.get("body", b""))
        if arrived > most:
            raise _too_large(most)
        return message

    return receive_counted
