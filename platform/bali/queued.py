"""A command of ``bali`` as a job: ``python -m bali.queued FOLDER --job ID``.

``config.json`` in the folder holds its ``arguments``; the command writes ``report.json`` there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from bali_platform.base.errors import BaliError, exit_code
from bali_platform.base.logs import say
from bali_platform.base.settings import Settings, load_settings
from bali_platform.jobs import Job, JobReporter, JobState, JobStore, code_version, connect
from bali_platform.services.artefacts import here, open_store, patiently, shared
from bali_trainers.training.following import leave, own_part

REPORT = "report.json"


def queue(
    store: JobStore,
    arguments: list[str],
    read: Iterable[Path],
    settings: Settings,
    *,
    cards: int,
) -> Job:
    """Queue a command; the paths in ``read`` that its arguments name are found from anywhere."""
    return _submit(store, _found_anywhere(arguments, read, settings), settings, cards)


def queue_once(
    store: JobStore,
    arguments: list[str],
    read: Iterable[Path],
    settings: Settings,
    *,
    cards: int,
) -> Job:
    """Return the job of a command, as :func:`queue` does; the same twice is one job.

    One that failed or was cancelled is queued again. It goes before jobs that train: whoever waits
    for it has trained already.
    """
    words = _found_anywhere(arguments, read, settings)
    wanted = "command", {"arguments": words}, code_version()
    for job in store.list():
        if (job.kind, job.config, job.code_version) == wanted:
            lost = job.state.ended and job.state != JobState.SUCCEEDED
            return store.resume(job.id) if lost else job
    return _submit(store, words, settings, cards, priority=1)


def _submit(
    store: JobStore, words: list[str], settings: Settings, cards: int, priority: int = 0
) -> Job:
    name, config, folder = " ".join(words[:2]), {"arguments": words}, settings.home / "jobs"
    return store.submit("command", name, config, {}, folder, cards=cards, priority=priority)


def _found_anywhere(arguments: list[str], read: Iterable[Path], settings: Settings) -> list[str]:
    places = {str(path): _place(path, settings) for path in read}
    return [each for word in arguments for each in _placed(word, places)]


def _place(path: Path, settings: Settings) -> str:
    artefacts = open_store(settings)
    return shared(artefacts, "inputs", path.resolve()) if artefacts else str(path.resolve())


def _placed(word: str, places: Mapping[str, str]) -> list[str]:
    option, equals, value = word.partition("=")
    if equals and option.startswith("--") and value in places:
        return [option, places[value]]
    return [places.get(word, word)]


def main(arguments: list[str] | None = None) -> int:
    """Run the command of a job and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bali.queued")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--job", required=True)
    options = parser.parse_args(arguments)
    try:
        return _run(options.folder, options.job, load_settings())
    except BaliError as error:
        say(f"error: {error}", sys.stderr)
        return exit_code(error)


def _run(folder: Path, job: str, settings: Settings) -> int:
    config: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    words = [patiently(partial(here, word, settings)) for word in config["arguments"]]
    command = [sys.executable, "-m", "bali", *words, "--output", str(folder / REPORT)]
    if code := subprocess.run(command, check=False).returncode:
        return code
    if (store := own_part(settings, job)) is not None:
        leave(store, folder, [REPORT])
    with JobReporter(JobStore(connect()), job) as reporter:
        reporter.artefact("report", folder / REPORT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
