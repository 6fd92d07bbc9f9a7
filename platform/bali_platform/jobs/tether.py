"""Processes that do not outlive the one that started them, even when that is killed.

``python tether.py PID COMMAND...`` ties itself to its parent, the process ``PID``, and becomes
``COMMAND``. It runs between fork and exec, where a multi-threaded parent could not safely run
Python itself. It is run as a file, without site packages: as a module of its package it would load
Celery first, a second of work before every start.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def tethered(command: Sequence[str]) -> list[str]:
    """Return the command line that runs ``command`` for as long as this process lives.

    It has to be started from the main thread: the kernel ties it to the starting *thread*. Only
    Linux offers this; elsewhere the command runs on, until it notices that it has lost its lease.
    """
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _main() -> None:
    die_with_parent()
    parent, *command = sys.argv[1:]
    if os.getppid() != int(parent):
        sys.exit("the starting process has ended")
    os.execvp(command[0], command)


if __name__ == "__main__":
    _main()
