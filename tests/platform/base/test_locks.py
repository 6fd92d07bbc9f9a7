"""Locks between processes, and what becomes of them when a process ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bali_platform.base.errors import BaliError
from bali_platform.base.locks import locked, take_lock

HOLD = "import sys, time; sys.stdout.write('here'); sys.stdout.flush(); time.sleep(60)"


def held_by_heir(file: Path) -> subprocess.Popen[str]:
    """Return a process that has inherited a lock, which nobody else holds."""
    with locked(file) as lock:
        heir = subprocess.Popen(
            [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True, pass_fds=[lock]
        )
    assert heir.stdout and heir.stdout.read(4) == "here"
    return heir


def test_a_lock_lasts_as_long_as_its_heir(tmp_path: Path) -> None:
    file = tmp_path / "made" / "lock"
    heir = held_by_heir(file)
    taken = BaliError("somebody works on it")
    with pytest.raises(BaliError, match="somebody works on it"), locked(file, taken):
        pass
    heir.kill()
    heir.communicate()
    with locked(file, taken):
        pass


def test_what_goes_wrong_in_the_block_is_not_taken_for_a_lock(tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError, match="other"), locked(tmp_path / "lock", BaliError("x")):
        raise BlockingIOError("other")
    with locked(tmp_path / "lock", BaliError("was let go of")):
        pass


def test_shared_locks_stand_beside_each_other(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    readers = [take_lock(file, shared=True, wait=False) for _ in range(2)]
    with pytest.raises(BlockingIOError):
        take_lock(file, wait=False)
    for reader in readers:
        os.close(reader)
    os.close(take_lock(file, wait=False))
