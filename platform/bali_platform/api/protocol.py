"""HTTP through httptools, with bounds on what comes before a request is known to be welcome.

Of connections over which none came yet only the newest are kept: whoever has the token is served,
however many others connect and say nothing.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_FRAMING_BYTES = 64 * 2**10
MAX_STRANGERS = 400
WELCOME = "welcome"
"""Key in the ``state`` of a request's scope: what to call once it may be answered."""

_strangers: dict[BoundedProtocol, None] = {}


class BoundedProtocol(HttpToolsProtocol):
    """Refuses requests of which more than 64 KiB are not body: heads, trailers, chunk sizes.

    The parser alone would collect an endless head.
    """

    _framing = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection in; where there are too many strangers the oldest has to go."""
        super().connection_made(transport)
        _strangers[self] = None
        if len(_strangers) > MAX_STRANGERS:
            oldest = next(iter(_strangers))
            oldest.welcome()
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self.welcome()
        super().connection_lost(exc)

    def welcome(self) -> None:
        """Count the connection among the strangers no more."""
        _strangers.pop(self, None)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and count it."""
        self._framing += len(data)
        super().data_received(data)
        if self._framing > MAX_FRAMING_BYTES and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        """Count anew for each request on a connection."""
        self._framing = 0
        super().on_message_begin()
        self.scope["state"][WELCOME] = self.welcome

    def on_body(self, body: bytes) -> None:
        """Take the body out of the count."""
        self._framing -= len(body)
        super().on_body(body)
