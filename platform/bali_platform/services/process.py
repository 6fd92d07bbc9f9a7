"""A background process that outlives us, and a record of it that cannot mislead."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bali_platform.base.errors import BaliError
from bali_platform.base.files import write_atomically
from bali_platform.base.locks import locked
from bali_platform.base.logs import keep_small

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
CLOCK_TOLERANCE_S = 1.0
KILL_PATIENCE_S = 10
POLL_S = 0.1


@dataclass(frozen=True)
class ManagedProcess:
    """A process in its own session, known by pid *and* by when it started.

    A pid alone may by now belong to a stranger. The start is counted from the machine's boot, which
    no step of the clock moves.
    """

    name: str
    record: Path
    log: Path

    def start(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        lock: Path | None = None,
    ) -> None:
        """Start ``command`` (an absolute path and arguments) with its output in the log.

        It holds ``lock``, a file, for as long as it lives, recorded or not.

        Raises:
            LockedError: another process holds ``lock``.
            BaliError: the program cannot be run.
        """
        with ExitStack() as held:
            if lock:
                taken = LockedError(f"{lock.parent}: another process works on it")
                os.set_inheritable(held.enter_context(locked(lock, taken)), True)
            self._spawn(command, environment)

    def _spawn(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        keep_small(self.log)
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
        write_atomically(self.record, json.dumps({"pid": pid, "started": _started(pid)}))

    def find(self) -> psutil.Process | None:
        """Return the recorded process if it still lives, else None."""
        try:
            entry = json.loads(self.record.read_text(encoding="utf-8"))
            process = psutil.Process(entry["pid"])
            if not _is_recorded(process, entry):
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


def _started(pid: int) -> str:
    """Name the moment at which a process started: the boot, and the clock ticks since then."""
    try:
        boot = BOOT_ID.read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:  # no Linux, or no such process
        return str(psutil.Process(pid).create_time())
    # The name before it, in brackets, may hold anything.
    return f"{boot} {fields.rpartition(')')[2].split()[19]}"


def _is_recorded(process: psutil.Process, entry: Mapping[str, str | float]) -> bool:
    """Tell whether ``process`` is the one that ``entry`` was written for."""
    if "created" in entry:  # version 1 recorded the time of day, which may drift a little
        return abs(process.create_time() - float(entry["created"])) <= CLOCK_TOLERANCE_S
    return _started(process.pid) == entry["started"]


class LockedError(BaliError):
    """Another process holds the lock."""


def holder_of(lock: Path) -> int | None:
    """Return the pid of a process of this machine that has ``lock`` open, None if there is none."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(file.path == str(lock) for file in process.open_files()):
                return int(process.pid)
    return None


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
