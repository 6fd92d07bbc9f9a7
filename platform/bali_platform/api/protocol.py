"""HTTP through httptools, with a bound on what is read before a request is known."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_FRAMING_BYTES = 64 * 2**10


class BoundedProtocol(HttpToolsProtocol):
    """Refuses requests of which more than 64 KiB are not body: heads, trailers, chunk sizes.

    The parser alone would collect an endless head.
    """

    _framing = 0

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

    def on_body(self, body: bytes) -> None:
        """Take the body out of the count."""
        self._framing -= len(body)
        super().on_body(body)
