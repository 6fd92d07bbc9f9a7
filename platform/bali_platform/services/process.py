"""A background process that outlives us, and a record of it that cannot mislead."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bali_platform.base.errors import BaliError

# create_time is derived from the boot time, which the kernel restates to about a clock tick.
CREATE_TIME_TOLERANCE = 1.0
KILL_PATIENCE_S = 10
POLL_S = 0.1


def write_atomically(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace ``path`` so that a reader, or a crash, sees the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@dataclass(frozen=True)
class ManagedProcess:
    """A process in its own session, known by pid *and* creation time.

    A pid alone may by now belong to a stranger; with the creation time it is never mistaken.
    """

    name: str
    record: Path
    log: Path

    def start(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start ``command`` (an absolute path and arguments) with its output in the log.

        Raises:
            BaliError: the program cannot be run.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        try:
            pid = os.posix_spawn(
                command[0],
                list(command),
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, str(self.log), append, 0o600),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
            )
        except OSError as error:
            raise BaliError(f"{self.name}: cannot run {command[0]}: {error.strerror}") from error
        self.adopt(pid)

    def adopt(self, pid: int) -> None:
        """Record a process that was started in another way, this one for instance."""
        created = psutil.Process(pid).create_time()
        write_atomically(self.record, json.dumps({"pid": pid, "created": created}))

    def find(self) -> psutil.Process | None:
        """Return the recorded process if it still lives, else None."""
        try:
            entry = json.loads(self.record.read_text(encoding="utf-8"))
            process = psutil.Process(entry["pid"])
            if abs(process.create_time() - entry["created"]) > CREATE_TIME_TOLERANCE:
                return None
            if process.status() == psutil.STATUS_ZOMBIE:
                _reap(process.pid)
                return None
        except (OSError, ValueError, KeyError, TypeError, psutil.NoSuchProcess):
            return None
        return process

    @property
    def pid(self) -> int | None:
        """The pid while it lives, else None."""
        process = self.find()
        return process.pid if process else None

    def listening_ports(self) -> set[int]:
        """Return the TCP ports that it listens on: its own, not a stranger's."""
        process = self.find()
        try:
            connections = process.net_connections("tcp") if process else []
        except psutil.NoSuchProcess:
            return set()
        return {found.laddr.port for found in connections if found.status == psutil.CONN_LISTEN}

    def stop(self, patience_s: float = 60) -> bool:
        """Ask it to end, and kill its whole session after ``patience_s``; True if it lived."""
        process = self.find()
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
                _end(process, patience_s)
        self.record.unlink(missing_ok=True)
        return process is not None

    def output_since(self, position: int) -> str:
        """Return what it has logged after byte ``position``."""
        with self.log.open("rb") as file:
            file.seek(position)
            return file.read().decode("utf-8", errors="replace")

    @property
    def log_size(self) -> int:
        """Bytes in the log so far."""
        return self.log.stat().st_size if self.log.exists() else 0


def _end(process: psutil.Process, patience_s: float) -> None:
    if not _ends_within(process, patience_s):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _ends_within(process, KILL_PATIENCE_S)


def _ends_within(process: psutil.Process, patience_s: float) -> bool:
    """Wait for a process; one that ended counts as gone although its parent does not reap it."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            process.wait(POLL_S)
        except psutil.TimeoutExpired:
            if process.status() != psutil.STATUS_ZOMBIE:
                continue
        return True
    return False


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def end_strays(argument: str) -> None:
    """Kill what runs with ``argument`` on its command line, recorded or not.

    Whoever starts a process may be killed before it has recorded it.
    """
    for process in psutil.process_iter(["cmdline"]):
        if argument in (process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                _ends_within(process, KILL_PATIENCE_S)
