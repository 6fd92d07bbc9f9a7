"""Logs: one line of JSON each where that is wanted, and none that grows without end."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from bali_platform.base.errors import UsageError
from bali_platform.base.logs import about, formatter, keep_small, said, say
from bali_platform.base.settings import Settings
from bali_platform.services.logs import tail


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("bali.test", logging.WARNING, __file__, 1, message, (), None)


def test_lines_are_json_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert formatter().format(record("two\nlines")).endswith("WARNING] two\nlines")
    monkeypatch.setenv("BALI_LOG_FORMAT", "json")
    with about(request="r-1"), about(job="j-1"):
        line = formatter().format(record("two\nlines"))
    told = json.loads(line)
    assert "\n" not in line
    assert told.pop("time")
    assert told == {
        "level": "WARNING",
        "logger": "bali.test",
        "message": "two\nlines",
        "request": "r-1",
        "job": "j-1",
    }
    assert "job" not in json.loads(formatter().format(record("x")))
    monkeypatch.setenv("BALI_LOG_FORMAT", "yaml")
    with pytest.raises(UsageError, match="BALI_LOG_FORMAT is text or json, not 'yaml'"):
        formatter()


@pytest.mark.parametrize("wanted", ["text", "json"])
def test_what_a_program_says_can_be_read_again(
    wanted: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BALI_LOG_FORMAT", wanted)
    say('error: no "corpus"')
    assert said(capsys.readouterr().out.strip()) == 'error: no "corpus"'


def test_a_long_log_begins_anew_and_is_followed(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "api.log"
    log.parent.mkdir()
    with log.open("a") as file:
        file.write("old\n" * 1000)
        file.flush()
        keep_small(log, 4000)
        assert log.stat().st_size == 4000, "not too long yet"
        file.write("last\n")
        file.flush()
        lines = tail(Settings(home=tmp_path), ["api"], lines=1, follow=True)
        assert next(lines) == "last"
        keep_small(log, 4000)
        file.write("new\n")
        file.flush()
        assert next(lines) == "new"
    assert log.read_text() == "new\n"
    assert log.with_name("api.log.1").read_text().endswith("old\nlast\n")
