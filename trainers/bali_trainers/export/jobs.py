"""The model of a job: what it finished with, or what its newest checkpoint holds."""

from __future__ import annotations

import shutil
from pathlib import Path

from bali_platform.base.errors import BaliError, UsageError, did_you_mean
from bali_platform.base.settings import Settings
from bali_trainers.export.adapters import export_merged, holds_adapters
from bali_trainers.export.folder import export_checkpoint, replacing
from bali_trainers.training.checkpoints import open_checkpoint
from bali_trainers.training.following import bring_run


def find_run(name: str, settings: Settings) -> Path:
    """Find a run's folder: as a path, or as the id of a job, or its beginning.

    What a job left on another machine is brought from the store, if that is where it is.
    """
    if (folder := Path(name)).is_dir():
        return folder
    jobs = settings.home / "jobs"
    known = sorted(path.name for path in jobs.glob("*") if path.is_dir())
    found = [known_name for known_name in known if known_name.startswith(name)]
    if len(found) > 1:
        raise UsageError(f"'{name}' is the beginning of {len(found)} jobs: {', '.join(found[:3])}")
    run = jobs / (found[0] if found else name)
    if not (run / "model").is_dir() and not bring_run(run, settings) and not found:
        raise UsageError(f"no folder and no job '{name}'{did_you_mean(name, known)}")
    return run


def export_run(run: Path, folder: Path, *, checkpoint: bool = False) -> None:
    """Copy the model that the run in folder ``run`` ended with to ``folder``.

    ``checkpoint`` makes it from the newest whole checkpoint instead; ``run`` may also be the
    folder of one checkpoint, or one of LoRA adapters, which are merged into their base. Raises
    :class:`BaliError` for an unfinished run, and
    :class:`UsageError` for a folder that is neither.
    """
    _check_output(folder)
    if holds_adapters(run):
        export_merged(run, folder)
        return
    if (run / "state.json").exists():
        export_checkpoint(run, folder)
        return
    if not (run / "config.json").exists() or not (run / "spec.json").exists():
        raise UsageError(f"{run} is neither a job's folder, nor a checkpoint, nor adapters")
    if checkpoint:
        export_checkpoint(_newest(run), folder)
        return
    model = run / "model"
    if not model.is_dir():
        raise BaliError(
            f"{run} is not finished: wait for it, or export its newest checkpoint with --checkpoint"
        )
    if model.resolve() == folder.resolve():
        raise UsageError(f"{folder} is the model of that job already")
    with replacing(folder) as building:
        shutil.copytree(model, building, dirs_exist_ok=True)


def _check_output(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "modules.json").exists():
        raise UsageError(f"{folder} holds something else than a model: name another folder")


def _newest(run: Path) -> Path:
    found = sorted((run / "checkpoints").glob("step-*"))
    for folder in reversed(found):
        try:
            return open_checkpoint(folder).folder
        except BaliError:
            continue  # a run that is resumed passes over damaged ones, too
    raise BaliError(f"{run} has no whole checkpoint yet ({len(found)} damaged)")
