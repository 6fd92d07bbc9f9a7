"""What programs log: plain lines, or with ``BALI_LOG_FORMAT=json`` one JSON object a line.

What belongs together carries the same ids, from a request to the API over the worker to the
trainer: the request's, and the job's.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from bali_platform.base.errors import UsageError

FORMAT_VARIABLE = "BALI_LOG_FORMAT"
REQUEST_VARIABLE = "BALI_REQUEST"  # tells a trainer which request made its job
TEXT = "[%(asctime)s: %(levelname)s] %(message)s"
MOST_BYTES = 32 * 2**20

_request: ContextVar[str] = ContextVar("request", default="")
_job: ContextVar[str] = ContextVar("job", default="")


@contextmanager
def about(*, request: str | None = None, job: str | None = None) -> Iterator[None]:
    """Let what is logged meanwhile say that it is about a request, a job, or both."""
    tokens = [
        (variable, variable.set(value))
        for variable, value in ((_request, request), (_job, job))
        if value is not None
    ]
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)


def request_id() -> str:
    """Return the id of the request that this is about; empty if there is none."""
    return _request.get() or os.environ.get(REQUEST_VARIABLE, "")


def wants_json() -> bool:
    """Whether logs are JSON; raises :class:`UsageError` for a format that there is not."""
    wanted = os.environ.get(FORMAT_VARIABLE, "text")
    if wanted not in ("text", "json"):
        raise UsageError(f"{FORMAT_VARIABLE} is text or json, not '{wanted}'")
    return wanted == "json"


def formatter() -> logging.Formatter:
    """Return what writes log records in the format that is asked for."""
    return json_lines() if wants_json() else logging.Formatter(TEXT)


def json_lines() -> logging.Formatter:
    """Return what writes log records as JSON, with the mapping ``told`` of each, if it has one."""
    return _JsonLines()


def configure() -> None:
    """Log to standard error from level INFO on."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def say(line: str, file: TextIO | None = None) -> None:
    """Print a line of a program's output."""
    print(_as_json("INFO", "bali", line) if wants_json() else line, file=file, flush=True)


def said(line: str) -> str:
    """Return what a line told that :func:`say` printed, in either format."""
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(line)["message"])
    return line


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told = dict(record.__dict__.get("told", {}))
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return _as_json(record.levelname, record.name, record.getMessage(), **told)


def _as_json(level: str, logger: str, message: str, **more: Any) -> str:
    ids = {"request": request_id(), "job": _job.get()}
    line = {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "level": level,
        "logger": logger,
        "message": message,
        **{name: value for name, value in ids.items() if value},
        **more,
    }
    return json.dumps(line, ensure_ascii=False, default=str)


def keep_small(log: Path, most: int = MOST_BYTES) -> None:
    """Move what a log holds to ``<log>.1`` once that is more than ``most`` bytes.

    Whoever writes to it has opened it to append, and goes on at its new beginning.
    """
    with suppress(OSError):
        if log.stat().st_size > most:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)
