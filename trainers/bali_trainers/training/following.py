"""What follows a job from machine to machine through the store: checkpoints, at last its model.

The job's part of the store has a part for each who held the job: one that was taken for lost and
still writes touches nothing of its successor's. There ``checkpoints/step-00000050`` holds a
checkpoint and the metrics up to then, and ``run`` what the finished run left; their files have the
paths that they have in the job's folder.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path

from bali_platform.base.logs import say
from bali_platform.base.settings import Settings
from bali_platform.jobs.reporter import HOLDER_VARIABLE
from bali_platform.services.artefacts import (
    Artefacts,
    NotInStoreError,
    StoreError,
    files_of,
    here,
    open_store,
    patiently,
)
from bali_trainers.batches.places import find_tokenizer, locate
from bali_trainers.batches.spec import DataSpec
from bali_trainers.training.config import Config

_CHECKPOINTS = "checkpoints"
_RUN = "run"
_STAGED = ".upload-"
_METRICS = "metrics.jsonl"


class Uploads:
    """Copies whole checkpoints to the store, beside training: the newest one, and the best.

    While an upload lasts, of those that follow the newest waits; a failed one is said, and the next
    one tries again. What ``earlier`` holders of the job have left goes, once this one's is there.
    """

    def __init__(self, store: Artefacts, folder: Path, earlier: Sequence[Artefacts] = ()) -> None:
        self._store, self._folder, self._earlier = store, folder, earlier
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="upload")
        self._last: Future[None] | None = None
        for left in folder.glob(f"{_STAGED}*"):
            shutil.rmtree(left)

    def offer(self, step: int) -> None:
        """Upload the checkpoint of a step, some time."""
        try:
            staged = self._stage(step)
        except OSError as error:
            say(f"checkpoint not copied: {error}")
            return
        self._drop_waiting()
        self._last = self._thread.submit(self._send, staged)
        self._last.add_done_callback(lambda _: shutil.rmtree(staged, ignore_errors=True))

    def finish(self) -> None:
        """Wait for the newest upload."""
        self._thread.shutdown()

    def publish(self) -> None:
        """Upload what the finished run left, in place of its checkpoints."""
        self._drop_waiting()
        self.finish()
        leave(self._store, self._folder, ["model", _METRICS])
        patiently(lambda: self._keep([_RUN]))

    def _drop_waiting(self) -> None:
        if self._last is not None:
            self._last.cancel()

    def _stage(self, step: int) -> Path:
        """Link what is uploaded to where nobody removes it, the best checkpoint first."""
        staged = self._folder / f"{_STAGED}{step}"
        newest = self._folder / _CHECKPOINTS / _called(step)
        best = json.loads((newest / "state.json").read_bytes())["facts"]["best"]["step"]
        for name in dict.fromkeys(_called(number) for number in (best, step) if number):
            shutil.copytree(newest.parent / name, staged / name, copy_function=os.link)
        shutil.copyfile(self._folder / _METRICS, staged / _METRICS)
        return staged

    def _send(self, staged: Path) -> None:
        try:
            names = [self._send_one(folder) for folder in sorted(staged.glob("step-*"))]
            self._keep(names)
        except StoreError as error:
            say(f"checkpoint not copied: {error}")

    def _send_one(self, folder: Path) -> str:
        name = f"{_CHECKPOINTS}/{folder.name}"
        files = {f"{name}/{inside}": path for inside, path in files_of(folder).items()}
        self._store.put(name, {**files, _METRICS: folder.parent / _METRICS})
        return name

    def _keep(self, names: list[str]) -> None:
        for other in self._store.names(_CHECKPOINTS):
            if other not in names:
                self._store.drop(other, kept=names)
        for store in self._earlier:
            for other in store.names(_CHECKPOINTS):
                store.drop(other, kept=[])


def open_uploads(settings: Settings, job: str | None, folder: Path) -> Uploads | None:
    """Return where a job's checkpoints go, if there is a store."""
    store = own_part(settings, job) if job else None
    if store is None or job is None:
        return None
    return Uploads(store, folder, patiently(lambda: _left_by_all(settings, job)))


def own_part(settings: Settings, job: str) -> Artefacts | None:
    """Return where the process that holds a job leaves what it makes, if there is a store."""
    return open_store(settings, "jobs", job, os.environ[HOLDER_VARIABLE])


def _left_by_all(settings: Settings, job: str) -> list[Artefacts]:
    store = open_store(settings, "jobs", job)
    return [store.part(holder) for holder in store.parts()] if store else []


def bring_all(folder: Path, job: str, config: Config, spec: DataSpec, settings: Settings) -> None:
    """Bring what a run needs here from the store, if there is one: last checkpoint, model, text."""
    if not settings.store:
        return
    patiently(lambda: bring_checkpoints(folder, job, settings))
    patiently(lambda: here(config.model.base, settings))
    if config.data.replay is None:
        patiently(lambda: locate(spec, settings))
    else:
        patiently(lambda: here(str(config.data.replay), settings))
        patiently(lambda: find_tokenizer(spec, settings))


def leave(store: Artefacts, folder: Path, parts: Iterable[str]) -> None:
    """Upload files and folders that a finished job has left in its folder, and what it was."""
    files: dict[str, Path] = {}
    for part in (*parts, "config.json", "spec.json"):
        path = folder / part
        inside = {f"{part}/{name}": each for name, each in files_of(path).items()}
        files |= inside if path.is_dir() else {part: path}
    patiently(lambda: store.put(_RUN, files))


def bring_run(folder: Path, settings: Settings) -> bool:
    """Bring what the finished run of a job's folder left; False where the store has no such run."""
    for store in _left_by_all(settings, folder.name):
        if store.has(_RUN):
            _bring(store, _RUN, folder)
            return True
    return False


def bring_checkpoints(folder: Path, job: str, settings: Settings) -> None:
    """Bring a job's checkpoints in the store, unless this machine has one of a later step."""
    own = max((path.name for path in (folder / _CHECKPOINTS).glob("step-*")), default="")
    stores = _left_by_all(settings, job)
    left = [(name, store) for store in stores for name in store.names(_CHECKPOINTS)]
    left.sort(key=itemgetter(0))
    if not left or left[-1][0] <= f"{_CHECKPOINTS}/{own}":
        return
    for name, store in left:
        try:
            _bring(store, name, folder)
            say(f"{name} comes from the store")
        except NotInStoreError as error:
            say(f"passed over: {error}")


def _bring(store: Artefacts, name: str, folder: Path) -> None:
    brought = folder / ".brought"
    store.get(name, brought)
    for path in (*brought.glob(f"{_CHECKPOINTS}/*"), *brought.iterdir()):
        if path.name != _CHECKPOINTS:
            place = folder / path.relative_to(brought)
            place.parent.mkdir(exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            path.replace(place)
    shutil.rmtree(brought)


def _called(step: int) -> str:
    return f"step-{step:08d}"
