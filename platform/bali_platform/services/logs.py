"""The logs of a home."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from bali_platform.base.errors import UsageError, did_you_mean
from bali_platform.base.settings import Settings
from bali_platform.services.home import Home

POLL_S = 0.2


def log_names(settings: Settings) -> list[str]:
    """Names of the processes of this home that have written a log."""
    return sorted(path.stem for path in (settings.home / "logs").glob("*.log"))


def tail(
    settings: Settings, names: Sequence[str], lines: int = 20, follow: bool = False
) -> Iterator[str]:
    """Yield the last ``lines`` of each log, then, with ``follow``, what is added, for ever.

    With several logs each line begins with its log's name.

    Raises:
        UsageError: there is no such log.
    """
    known = log_names(settings)
    for name in names:
        if name not in known:
            raise UsageError(f"no log '{name}'{did_you_mean(name, known)}: {', '.join(known)}")
    open_logs = {name: _open(Home(settings.home).log(name)) for name in names}
    width = max((len(name) for name in names), default=0)
    try:
        for name, file in open_logs.items():
            for line in deque(iter(file.readline, ""), maxlen=lines):
                yield _labelled(name, line, width, len(names))
        while follow:
            time.sleep(POLL_S)
            for name, file in open_logs.items():
                if file.tell() > os.fstat(file.fileno()).st_size:
                    file.seek(0)  # it became too long, and began anew
                for line in iter(file.readline, ""):
                    yield _labelled(name, line, width, len(names))
    finally:
        for file in open_logs.values():
            file.close()


def _open(path: Path) -> TextIO:
    return path.open(encoding="utf-8", errors="replace")


def _labelled(name: str, line: str, width: int, count: int) -> str:
    return (f"{name:{width}} | " if count > 1 else "") + line.rstrip("\n")
