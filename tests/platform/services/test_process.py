"""Background processes: known for certain, ended for certain, strangers left alone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from bali_platform.base.errors import BaliError
from bali_platform.base.files import write_atomically
from bali_platform.services.process import (
    LockedError,
    ManagedProcess,
    end_strays,
    holder_of,
)

SLEEP = "import time; print('ready', flush=True); time.sleep(60)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEP


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ManagedProcess]:
    managed = ManagedProcess("sleeper", tmp_path / "run" / "s.json", tmp_path / "logs" / "s.log")
    yield managed
    managed.stop(patience_s=0)


@pytest.fixture
def stranger() -> Iterator[psutil.Process]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        yield psutil.Process(child.pid)
        child.kill()


def start(process: ManagedProcess, program: str) -> psutil.Process:
    process.start([sys.executable, "-c", program], os.environ)
    while "ready" not in process.output_since(0):
        assert process.find() is not None
    found = process.find()
    assert found is not None
    return found


def test_start_find_stop(process: ManagedProcess) -> None:
    running = start(process, SLEEP)
    assert process.pid == running.pid
    assert os.getsid(running.pid) == running.pid
    assert process.stop()
    assert not psutil.pid_exists(running.pid)
    assert process.find() is None
    assert not process.stop()


@pytest.mark.parametrize(("seconds_off", "known"), [(0.0, True), (0.2, True), (60.0, False)])
def test_a_record_of_version_1_is_understood(
    process: ManagedProcess, stranger: psutil.Process, seconds_off: float, known: bool
) -> None:
    created = stranger.create_time() + seconds_off
    write_atomically(process.record, json.dumps({"pid": stranger.pid, "created": created}))
    assert (process.find() is not None) == known
    assert process.stop() == known


STOP = """
import sys
from pathlib import Path
from bali_platform.services.process import ManagedProcess
assert ManagedProcess("sleeper", Path(sys.argv[1]), Path(sys.argv[2])).stop(patience_s=50)
"""


def test_another_than_its_parent_can_stop_it(process: ManagedProcess) -> None:
    start(process, SLEEP)
    command = [sys.executable, "-c", STOP, str(process.record), str(process.log)]
    subprocess.run(command, check=True, timeout=40)
    assert process.find() is None


def test_what_runs_unrecorded_is_found_by_an_argument(process: ManagedProcess) -> None:
    marker = f"--home-dir={process.record}"
    with subprocess.Popen([sys.executable, "-c", SLEEP, marker]) as stray:
        end_strays("--home-dir=another")
        assert stray.poll() is None
        end_strays(marker)
        assert not psutil.pid_exists(stray.pid)


def test_only_its_own_ports_count(process: ManagedProcess) -> None:
    listen = "import socket; server = socket.create_server(('127.0.0.1', 0)); "
    with socket.create_server(("127.0.0.1", 0)) as ours:
        start(process, f"{listen} print(server.getsockname()[1]); {SLEEP}")
        port = int(process.output_since(0).split()[0])
        assert process.listening_ports() == {port} != {ours.getsockname()[1]}
    process.stop()
    assert process.listening_ports() == set()


def test_one_that_ignores_sigterm_is_killed(process: ManagedProcess) -> None:
    running = start(process, STUBBORN)
    assert process.stop(patience_s=0.2)
    assert not psutil.pid_exists(running.pid)


def test_a_killed_one_is_not_running_even_while_nobody_has_waited_for_it(
    process: ManagedProcess,
) -> None:
    running = start(process, SLEEP)
    running.kill()
    while psutil.pid_exists(running.pid) and running.status() != psutil.STATUS_ZOMBIE:
        pass
    assert process.find() is None


def test_a_stale_record_never_ends_a_stranger(
    process: ManagedProcess, stranger: psutil.Process
) -> None:
    process.adopt(stranger.pid)
    entry = json.loads(process.record.read_text())
    write_atomically(process.record, json.dumps({**entry, "started": entry["started"] + "0"}))
    assert process.find() is None
    assert not process.stop()
    assert stranger.status() != psutil.STATUS_ZOMBIE
    assert not process.record.exists()


def test_adopting_makes_a_process_ours(process: ManagedProcess, stranger: psutil.Process) -> None:
    process.adopt(stranger.pid)
    assert process.pid == stranger.pid
    assert process.stop()


@pytest.mark.parametrize("step", [-86400, -2, 2, 3600])
def test_a_step_of_the_clock_loses_nobody(
    process: ManagedProcess, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    running = start(process, SLEEP)
    before = psutil.boot_time()
    # The kernel derives the time of the boot from the clock, and psutil all others from that.
    for name in ("boot_time", "_pslinux.boot_time"):
        monkeypatch.setattr(f"psutil.{name}", lambda: before + step)
    assert process.pid == running.pid


def test_a_lock_is_held_for_as_long_as_the_process_lives(
    process: ManagedProcess, tmp_path: Path
) -> None:
    lock = tmp_path / "data" / "lock"
    process.start([sys.executable, "-c", SLEEP], os.environ, lock)
    pid = process.pid
    process.record.unlink()
    with pytest.raises(LockedError, match="another process works on it"):
        process.start([sys.executable, "-c", SLEEP], os.environ, lock)
    assert holder_of(lock) == pid
    assert pid
    process.adopt(pid)
    assert process.stop()
    process.start([sys.executable, "-c", SLEEP], os.environ, lock)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x", "created": 1}', '{"pid": 1}'])
def test_a_damaged_record_means_not_running(process: ManagedProcess, text: str) -> None:
    write_atomically(process.record, text)
    assert process.find() is None


def test_a_program_that_is_not_there_is_one_clear_error(process: ManagedProcess) -> None:
    with pytest.raises(BaliError, match="sleeper: cannot run /nowhere/java: No such file"):
        process.start(["/nowhere/java"], os.environ)
    assert not process.record.exists()
