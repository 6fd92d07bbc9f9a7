"""The server's memory does not grow with what it was asked."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from bali_platform.services.home import Home

pytestmark = pytest.mark.services
MEBIBYTE = 2**20


@contextmanager
def connected(address: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    yield connection
    connection.close()


def ask(connection: http.client.HTTPConnection, url: str) -> bytes:
    connection.request("GET", url)
    return connection.getresponse().read()


def test_hundreds_of_questions_leave_nothing_but_cached_answers(
    services, settings, serve, graph, facts
) -> None:
    with serve(settings) as address, connected(address) as connection:
        server = Home(settings.home).process("api").find()
        assert server is not None

        def beside_answers() -> int:
            metrics = ask(connection, "/metrics").decode()
            (kept,) = re.findall(r"^bali_answers_bytes (\S+)$", metrics, re.MULTILINE)
            return int(server.memory_info().rss - float(kept))

        def many(first: int) -> None:
            for seed in range(first, first + 300):
                assert b"nodes" in ask(connection, f"/subgraphs?cui={facts.hub}&seed={seed}")
                ask(connection, f"/subgraphs?cui=C0099999&seed={seed}")

        many(0)
        before = beside_answers()
        many(5000)
        assert beside_answers() - before < 3 * MEBIBYTE
