"""One process a rank, on this machine, started and ended together."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from bali_platform.jobs.tether import tethered

CANCELLED = 3  # the exit code of a run that stopped after a checkpoint because it was asked to
POLL_S = 0.2


def launch(arguments: Sequence[str], processes: int) -> int:
    """Run the program that starts training in ``processes`` ranks; return an exit code.

    When a rank fails the others are killed, so that none waits for the dead. SIGTERM and SIGINT
    are passed on to all ranks.
    """
    common = {
        **os.environ,
        "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    command = tethered([sys.executable, "-m", "bali_trainers.training.start", *arguments])
    ranks = [
        subprocess.Popen(command, env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(processes)
    ]

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in ranks:
            process.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    try:
        return _wait(ranks)
    finally:
        for process in ranks:
            process.kill()
            process.wait()


def leave(code: int) -> NoReturn:
    """End a process with its exit code at once, after what was left to do at exit.

    The threads of gloo outlive the group of processes: one that needs the interpreter while that is
    taken down would abort the process. Python has an exit code of its own where a disk is too full
    for the last output.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit(code)


def _wait(ranks: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait until one rank has failed, or all have ended well."""
    while True:
        codes = [process.poll() for process in ranks]
        ended = [code for code in codes if code is not None]
        failed = [code for code in ended if code not in (0, CANCELLED)]
        if failed:
            return max(failed[0], 1)
        if len(ended) == len(ranks):
            return max(ended)
        time.sleep(POLL_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
