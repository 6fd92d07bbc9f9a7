"""A stand-in for UTS that speaks its documented API on loopback."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import pytest


def zipped(text: bytes) -> bytes:
    """Return a zip with one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("2030AA/META/MRCONSO.RRF", text)
    return buffer.getvalue()


@dataclass
class StandIn:
    """What the stand-in serves, how it misbehaves, and what it was asked."""

    key: str = "0f1e2d3c-very-secret"
    content: bytes = field(default_factory=lambda: zipped(b"some names\n" * 200_000))
    etag: str = '"first"'
    cut_after: list[int] = field(default_factory=list)
    answer: str = "file"
    address: str = ""
    ranges: list[str | None] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def replace_file(self, text: bytes) -> None:
        """Serve another file under the same name from now on."""
        self.content, self.etag = zipped(text), '"second"'


class Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def do_GET(self) -> None:
        address = urlparse(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if address.path == "/releases":
            self.list_releases(query)
        elif query.get("apiKey") != self.stand_in.key:
            self.send_error(401)
        elif self.stand_in.answer == "page":
            self.reply(200, b"<html>sign in</html>", {"Content-Type": "text/html"})
        elif query["url"].endswith("umls-2030AB.zip"):
            self.send_file()
        else:
            self.send_error(404)

    def list_releases(self, query: dict[str, str]) -> None:
        self.stand_in.kinds.append(query["releaseType"])
        entries = [
            {
                "fileName": f"umls-{version}.zip",
                "releaseVersion": version,
                "releaseDate": date,
                "downloadUrl": f"https://download.nlm.nih.gov/umls/kss/umls-{version}.zip",
                "releaseType": "UMLS Metathesaurus Full Subset",
                "product": "UMLS",
                "current": str(version == "2030AB").lower(),
            }
            for version, date in (("2030AA", "2030-05-05"), ("2030AB", "2030-11-03"))
        ]
        self.reply(200, json.dumps(entries).encode(), {"Content-Type": "application/json"})

    def send_file(self) -> None:
        content, etag = self.stand_in.content, self.stand_in.etag
        asked = self.headers["Range"]
        self.stand_in.ranges.append(asked)
        headers = {"ETag": etag, "Content-Type": "application/zip"}
        if asked and self.headers["If-Range"] == etag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.reply(206, content[start:], headers)
        else:
            self.reply(200, content, headers)

    def reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        limit = self.stand_in.cut_after.pop(0) if self.stand_in.cut_after else len(body)
        self.wfile.write(body[:limit])
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    state = StandIn()
    handler = type("BoundHandler", (Handler,), {"stand_in": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.address = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield state
        server.shutdown()
        thread.join()
