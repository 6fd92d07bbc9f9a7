"""Downloads from a stand-in for UTS that speaks its documented API on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import threading
import traceback
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from pydantic import SecretStr

from bali_loaders.releases.uts import KINDS, PublishedRelease, Uts
from bali_platform.errors import BaliError, UsageError

KEY = SecretStr("0f1e2d3c-very-secret")
WRONG_KEY = SecretStr("ffffffff-also-secret")


def zipped(text: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("2030AA/META/MRCONSO.RRF", text)
    return buffer.getvalue()


@dataclass
class StandIn:
    """What the stand-in serves, how it misbehaves, and what it was asked."""

    content: bytes = field(default_factory=lambda: zipped(b"some names\n" * 200_000))
    etag: str = '"first"'
    cut_after: list[int] = field(default_factory=list)
    answer: str = "file"
    address: str = ""
    ranges: list[str | None] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    stand_in: StandIn

    def do_GET(self) -> None:
        address = urlparse(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if address.path == "/releases":
            self.list_releases(query)
        elif query.get("apiKey") != KEY.get_secret_value():
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


@pytest.fixture
def uts(stand_in: StandIn) -> Iterator[Uts]:
    with Uts(stand_in.address, pause=0.001) as client:
        yield client


@pytest.fixture
def newest(uts: Uts) -> PublishedRelease:
    return uts.releases("full-subset")[0]


def test_releases_are_listed_newest_first(uts: Uts, stand_in: StandIn) -> None:
    assert [(r.version, r.file_name) for r in uts.releases("level-0")] == [
        ("2030AB", "umls-2030AB.zip"),
        ("2030AA", "umls-2030AA.zip"),
    ]
    assert stand_in.kinds == [KINDS["level-0"]] == ["umls-metathesaurus-level-0-subset"]


def test_a_file_is_fetched_whole(
    uts: Uts, newest: PublishedRelease, stand_in: StandIn, tmp_path: Path
) -> None:
    md5 = hashlib.md5(stand_in.content, usedforsecurity=False).hexdigest()
    path = uts.download(newest, tmp_path / "new", KEY, md5=md5.upper())
    assert path.read_bytes() == stand_in.content
    assert list(path.parent.iterdir()) == [path]


def test_broken_connections_are_resumed_where_they_broke(
    uts: Uts, newest: PublishedRelease, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.cut_after = [100_000, 0, 50_000]
    path = uts.download(newest, tmp_path, KEY)
    assert path.read_bytes() == stand_in.content
    assert stand_in.ranges == [None, "bytes=100000-", "bytes=100000-", "bytes=150000-"]


def test_the_next_run_goes_on_after_a_failure(
    uts: Uts, newest: PublishedRelease, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.cut_after = [10_000] * 5
    with pytest.raises(BaliError, match="run the same command again"):
        uts.download(newest, tmp_path, KEY)
    assert not (tmp_path / "umls-2030AB.zip").exists()
    path = uts.download(newest, tmp_path, KEY)
    assert path.read_bytes() == stand_in.content
    assert stand_in.ranges[-1] == "bytes=50000-"


def test_a_file_that_changed_meanwhile_is_fetched_anew(
    uts: Uts, newest: PublishedRelease, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.cut_after = [10_000] * 5
    with pytest.raises(BaliError):
        uts.download(newest, tmp_path, KEY)
    stand_in.content, stand_in.etag = zipped(b"other names\n" * 99_999), '"second"'
    assert uts.download(newest, tmp_path, KEY).read_bytes() == stand_in.content


def test_a_file_already_there_is_not_fetched_again(
    uts: Uts, newest: PublishedRelease, stand_in: StandIn, tmp_path: Path
) -> None:
    path = uts.download(newest, tmp_path, KEY)
    assert uts.download(newest, tmp_path, KEY) == path
    assert len(stand_in.ranges) == 1
    with pytest.raises(BaliError, match="MD5 is"):
        uts.download(newest, tmp_path, KEY, md5="00")


def test_a_wrong_checksum_leaves_nothing(
    uts: Uts, newest: PublishedRelease, tmp_path: Path
) -> None:
    with pytest.raises(BaliError, match=r"umls-2030AB\.zip: MD5 is [0-9a-f]{32}, not 00"):
        uts.download(newest, tmp_path, KEY, md5="00")
    assert [path.suffix for path in tmp_path.iterdir()] == [".mark"]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_zip_leaves_nothing(
    uts: Uts, newest: PublishedRelease, stand_in: StandIn, tmp_path: Path, damage: str
) -> None:
    whole = bytearray(stand_in.content)
    whole[1000] ^= 1
    stand_in.content = bytes(whole) if damage == "flipped" else stand_in.content[:-100]
    with pytest.raises(BaliError, match=r"umls-2030AB\.zip: .*fetch it again"):
        uts.download(newest, tmp_path, KEY)
    assert not list(tmp_path.glob("*.zip")) + list(tmp_path.glob("*.part"))


def test_a_refused_key_is_a_usage_error_that_does_not_show_the_key(
    uts: Uts, newest: PublishedRelease, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="UTS refuses the API key") as error:
        uts.download(newest, tmp_path, WRONG_KEY)
    assert WRONG_KEY.get_secret_value() not in "".join(traceback.format_exception(error.value))


def test_a_web_page_is_not_taken_for_the_file(
    uts: Uts, newest: PublishedRelease, stand_in: StandIn, tmp_path: Path
) -> None:
    stand_in.answer = "page"
    with pytest.raises(UsageError, match="accept the licence in your UTS profile"):
        uts.download(newest, tmp_path, KEY)


def test_the_key_is_never_logged(
    uts: Uts,
    newest: PublishedRelease,
    stand_in: StandIn,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in.cut_after = [1000]
    uts.download(newest, tmp_path, KEY)
    stand_in.cut_after = [1000] * 5
    with pytest.raises(BaliError) as error:
        uts.download(newest, tmp_path / "again", KEY)
    assert KEY.get_secret_value() not in caplog.text
    assert KEY.get_secret_value() not in "".join(traceback.format_exception(error.value))


def test_a_file_name_cannot_lead_out_of_the_folder(
    uts: Uts, newest: PublishedRelease, tmp_path: Path
) -> None:
    sly = PublishedRelease(newest.version, newest.date, "../../sly.zip", newest.url)
    assert uts.download(sly, tmp_path / "here", KEY) == tmp_path / "here" / "sly.zip"


def test_an_unreachable_service_is_one_clear_line(tmp_path: Path) -> None:
    with Uts("http://127.0.0.1:9", pause=0.001) as nowhere:
        with pytest.raises(BaliError, match="no list of releases"):
            nowhere.releases("full")
        release = PublishedRelease("2030AB", "2030-11-03", "x.zip", "https://example.org/x.zip")
        with pytest.raises(BaliError, match="the connection fails"):
            nowhere.download(release, tmp_path, KEY)
