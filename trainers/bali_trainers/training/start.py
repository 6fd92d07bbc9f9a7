"""One training run: ``python -m bali_trainers.training.start FOLDER [--job ID]``.

``FOLDER`` holds ``config.json`` and ``spec.json``; checkpoints, ``metrics.jsonl`` and at the end
the exported ``model`` go there. A run that is started again continues from its newest checkpoint.
Exit codes: 0 finished, 3 cancelled after a checkpoint, 4 no room on a disk, anything else failed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bali_platform.base.errors import NO_ROOM, BaliError, exit_code, no_room
from bali_platform.base.logs import about, say
from bali_platform.base.settings import load_settings
from bali_platform.base.telemetry import PARENT_VARIABLE, span, traceparent
from bali_trainers.training.following import bring_all
from bali_trainers.training.job_folder import read_config, read_spec
from bali_trainers.training.rank_launcher import CANCELLED, launch, leave


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job in a folder and return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m bali_trainers.training.start")
    parser.add_argument("folder", type=Path, help="the job's folder")
    parser.add_argument("--job", help="the job's id, to report to its record")
    options = parser.parse_args(arguments)
    with about(job=options.job), span("train", rank=os.environ.get("RANK", "")):
        os.environ[PARENT_VARIABLE] = traceparent()  # of threads that ask for batches, and of ranks
        return _run(options, arguments or sys.argv[1:])


def _run(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    try:
        config = read_config(options.folder)
        if options.job and "RANK" not in os.environ:
            spec = read_spec(options.folder)
            bring_all(options.folder, options.job, config, spec, load_settings())
        if config.run.processes > 1 and "RANK" not in os.environ:
            return launch(arguments, config.run.processes)
        # A launcher of ranks has no use for torch, which takes seconds to import.
        from bali_trainers.training.assembly import train_folder

        finished = train_folder(options.folder, options.job)
    except Exception as error:
        if os.environ.get("BALI_DEBUG") or not (isinstance(error, BaliError) or no_room(error)):
            raise
        with suppress(OSError):  # the log may lie on a full disk
            say(f"error: {error}", sys.stderr)
        return exit_code(error)
    return 0 if finished else CANCELLED


if __name__ == "__main__":
    code = main()
    if "RANK" in os.environ or code == NO_ROOM:
        leave(code)
    sys.exit(code)
