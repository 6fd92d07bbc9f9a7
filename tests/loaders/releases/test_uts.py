"""Downloads from UTS, or rather from the stand-in of conftest.py."""

from __future__ import annotations

import hashlib
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bali_loaders.releases.uts import KINDS, PublishedRelease, Uts
from bali_platform.base.errors import BaliError, UsageError

WRONG_KEY = SecretStr("ffffffff-also-secret")


@pytest.fixture
def uts(stand_in: Any) -> Iterator[Uts]:
    with Uts(stand_in.address, pause=0.001) as client:
        yield client


@pytest.fixture
def key(stand_in: Any) -> SecretStr:
    return SecretStr(stand_in.key)


@pytest.fixture
def newest(uts: Uts) -> PublishedRelease:
    return uts.releases("full-subset")[0]


def test_releases_are_listed_newest_first(uts: Uts, stand_in: Any) -> None:
    assert [(r.version, r.file_name) for r in uts.releases("level-0")] == [
        ("2030AB", "umls-2030AB.zip"),
        ("2030AA", "umls-2030AA.zip"),
    ]
    assert stand_in.kinds == [KINDS["level-0"]] == ["umls-metathesaurus-level-0-subset"]


def test_a_file_is_fetched_whole(
    key: SecretStr, uts: Uts, newest: PublishedRelease, stand_in: Any, tmp_path: Path
) -> None:
    md5 = hashlib.md5(stand_in.content, usedforsecurity=False).hexdigest()
    path = uts.download(newest, tmp_path / "new", key, md5=md5.upper())
    assert path.read_bytes() == stand_in.content
    assert list(path.parent.iterdir()) == [path]


def test_broken_connections_are_resumed_where_they_broke(
    key: SecretStr, uts: Uts, newest: PublishedRelease, stand_in: Any, tmp_path: Path
) -> None:
    stand_in.cut_after = [100_000, 0, 50_000]
    path = uts.download(newest, tmp_path, key)
    assert path.read_bytes() == stand_in.content
    assert stand_in.ranges == [None, "bytes=100000-", "bytes=100000-", "bytes=150000-"]


def test_the_next_run_goes_on_after_a_failure(
    key: SecretStr, uts: Uts, newest: PublishedRelease, stand_in: Any, tmp_path: Path
) -> None:
    stand_in.cut_after = [10_000] * 5
    with pytest.raises(BaliError, match="run the same command again"):
        uts.download(newest, tmp_path, key)
    assert not (tmp_path / "umls-2030AB.zip").exists()
    path = uts.download(newest, tmp_path, key)
    assert path.read_bytes() == stand_in.content
    assert stand_in.ranges[-1] == "bytes=50000-"


def test_a_file_that_changed_meanwhile_is_fetched_anew(
    key: SecretStr, uts: Uts, newest: PublishedRelease, stand_in: Any, tmp_path: Path
) -> None:
    stand_in.cut_after = [10_000] * 5
    with pytest.raises(BaliError):
        uts.download(newest, tmp_path, key)
    stand_in.replace_file(b"other names\n" * 99_999)
    assert uts.download(newest, tmp_path, key).read_bytes() == stand_in.content


def test_a_file_already_there_is_not_fetched_again(
    key: SecretStr, uts: Uts, newest: PublishedRelease, stand_in: Any, tmp_path: Path
) -> None:
    path = uts.download(newest, tmp_path, key)
    assert uts.download(newest, tmp_path, key) == path
    assert len(stand_in.ranges) == 1
    with pytest.raises(BaliError, match="MD5 is"):
        uts.download(newest, tmp_path, key, md5="00")


def test_a_wrong_checksum_leaves_nothing(
    key: SecretStr, uts: Uts, newest: PublishedRelease, tmp_path: Path
) -> None:
    with pytest.raises(BaliError, match=r"umls-2030AB\.zip: MD5 is [0-9a-f]{32}, not 00"):
        uts.download(newest, tmp_path, key, md5="00")
    assert [path.suffix for path in tmp_path.iterdir()] == [".mark"]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_zip_leaves_nothing(
    key: SecretStr, uts: Uts, newest: PublishedRelease, stand_in: Any, tmp_path: Path, damage: str
) -> None:
    whole = bytearray(stand_in.content)
    whole[1000] ^= 1
    stand_in.content = bytes(whole) if damage == "flipped" else stand_in.content[:-100]
    with pytest.raises(BaliError, match=r"umls-2030AB\.zip: .*fetch it again"):
        uts.download(newest, tmp_path, key)
    assert not list(tmp_path.glob("*.zip")) + list(tmp_path.glob("*.part"))


def test_a_refused_key_is_a_usage_error_that_does_not_show_the_key(
    key: SecretStr, uts: Uts, newest: PublishedRelease, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="UTS refuses the API key") as error:
        uts.download(newest, tmp_path, WRONG_KEY)
    assert WRONG_KEY.get_secret_value() not in "".join(traceback.format_exception(error.value))


def test_a_web_page_is_not_taken_for_the_file(
    key: SecretStr, uts: Uts, newest: PublishedRelease, stand_in: Any, tmp_path: Path
) -> None:
    stand_in.answer = "page"
    with pytest.raises(UsageError, match="accept the licence in your UTS profile"):
        uts.download(newest, tmp_path, key)


def test_the_key_is_never_logged(
    key: SecretStr,
    uts: Uts,
    newest: PublishedRelease,
    stand_in: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in.cut_after = [1000]
    uts.download(newest, tmp_path, key)
    stand_in.cut_after = [1000] * 5
    with pytest.raises(BaliError) as error:
        uts.download(newest, tmp_path / "again", key)
    assert key.get_secret_value() not in caplog.text
    assert key.get_secret_value() not in "".join(traceback.format_exception(error.value))


def test_a_file_name_cannot_lead_out_of_the_folder(
    key: SecretStr, uts: Uts, newest: PublishedRelease, tmp_path: Path
) -> None:
    sly = PublishedRelease(newest.version, newest.date, "../../sly.zip", newest.url)
    assert uts.download(sly, tmp_path / "here", key) == tmp_path / "here" / "sly.zip"


def test_an_unreachable_service_is_one_clear_line(key: SecretStr, tmp_path: Path) -> None:
    with Uts("http://127.0.0.1:9", pause=0.001) as nowhere:
        with pytest.raises(BaliError, match="no list of releases"):
            nowhere.releases("full")
        release = PublishedRelease("2030AB", "2030-11-03", "x.zip", "https://example.org/x.zip")
        with pytest.raises(BaliError, match="the connection fails"):
            nowhere.download(release, tmp_path, key)
