"""What is read of a request before anything knows it: bounded, whatever never ends."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from itertools import chain, repeat
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.services
HEAD = b"POST /subgraphs HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = json.dumps({"cuis": ["C0000001"]}).encode()


def answer_to(address: str, parts: Iterator[bytes]) -> tuple[bytes, int]:
    """Send until the server answers; return its answer and how much it was sent."""
    place = urlsplit(address)
    sent = 0
    with socket.create_connection((place.hostname, place.port), timeout=30) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                sent += len(part)
        except OSError:  # it hung up
            pass
        try:
            return connection.recv(2**16), sent
        except ConnectionResetError:
            return b"", sent


@pytest.mark.parametrize(
    "endless",
    [
        chain([HEAD], (b"X-%d: y\r\n" % number for number in range(10**6))),
        chain([HEAD, b"X-Long: "], repeat(b"y" * 1000, 10**5)),
        chain([b"GET /"], repeat(b"y" * 1000, 10**5)),
        chain([HEAD, CHUNKED, b"0\r\n"], (b"X-%d: y\r\n" % number for number in range(10**6))),
        chain([HEAD, CHUNKED, b"1;"], repeat(b"y" * 1000, 10**5)),
    ],
    ids=["headers", "a header", "an address", "trailers", "a chunk's size"],
)
def test_what_never_ends_is_cut_off(server: str, endless: Iterator[bytes]) -> None:
    answer, sent = answer_to(server, endless)
    assert answer.startswith(b"HTTP/1.1 400 ") or not answer
    assert sent < 10 * 2**20  # what sockets hold between the two


def test_a_body_in_chunks_is_read_as_one(api, server: str) -> None:
    pieces = [BODY[start : start + 7] for start in range(0, len(BODY), 7)]
    framed = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    answer, _ = answer_to(server, chain([HEAD, CHUNKED], framed, [b"0\r\n\r\n"]))
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_requests_of_one_connection_are_counted_apart(api) -> None:
    for _ in range(200):
        assert api.get("/health", headers={"X-Long": "y" * 2000}).status_code == 200
