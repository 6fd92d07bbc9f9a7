"""Checkpoints: safetensors and JSON, written whole or not at all, and resumed bit for bit.

A checkpoint is a folder ``step-00000050`` with ``model.safetensors``, ``optimiser.safetensors``,
``random.safetensors`` (the generators of every rank), ``average.safetensors`` if one is kept, and
``state.json``, which holds what else a run is, and size and digest of the other files. It is
written beside its place and renamed, by a thread: training goes on meanwhile.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.files import digest_of, new_folder
from bali_platform.base.measures import (
    CHECKPOINT,
    CHECKPOINT_BYTES,
    LAST_CHECKPOINT,
    count,
    note,
    timed,
)
from bali_trainers.training import distributed
from bali_trainers.training.average import Average
from bali_trainers.training.tensor_file import write_tensors

_FORMAT = 2


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint on disk.

    Attributes:
        folder: Where it is.
        step: Optimiser steps that went into it.
        facts: What the run said of itself when it was written, see :meth:`Checkpoints.save`.
    """

    folder: Path
    step: int
    facts: Mapping[str, Any]


class Checkpoints:
    """The checkpoints of one run, the newest ``keep`` of them.

    ``facts`` (JSON values) go into every checkpoint; those under ``facts["identity"]`` must be
    the same when the run is resumed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        keep: int,
        facts: Mapping[str, Any],
        say: Callable[[str], None],
    ) -> None:
        self._folder, self._keep, self._facts, self._say = folder, keep, facts, say
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: list[tuple[int, Future[None]]] = []

    def save(
        self,
        step: int,
        task: nn.Module,
        optimiser: torch.optim.Optimizer,
        average: Average | None = None,
        *,
        spared: int = 0,
        **facts: Any,
    ) -> None:
        """Copy what a checkpoint holds and begin to write it, see :meth:`written`.

        Every rank must call this, the first one writes. The checkpoint of step ``spared`` is kept
        beside the newest ones. ``facts`` are added to those of the run, ``scaler`` for instance.
        """
        wait([writing for _, writing in self._writing])
        tensors = {
            "model": _copies(_weights(task)),
            "optimiser": _copies(_optimiser_tensors(task, optimiser)),
            "random": _generators(_device(task)),
        }
        if average is not None:
            tensors["average"] = _copies(average.weights)
        if distributed.rank() == 0:
            writing = self._thread.submit(self._replace, step, tensors, facts, spared)
            self._writing.append((step, writing))

    def written(self) -> list[int]:
        """Return the steps whose checkpoints have come to be whole since the last call.

        Raises :class:`BaliError` when one could not be written.
        """
        done = [one for one in self._writing if one[1].done()]
        self._writing = self._writing[len(done) :]
        for _, writing in done:
            writing.result()
        return [step for step, _ in done]

    def finish(self) -> list[int]:
        """Wait for what is being written, then do as :meth:`written`."""
        wait([writing for _, writing in self._writing])
        return self.written()

    def at(self, step: int) -> Checkpoint:
        """Return the whole checkpoint of a step."""
        folder = self._place(step)
        try:
            return self._open(folder)
        except (OSError, ValueError, KeyError) as error:
            raise BaliError(
                f"checkpoint {folder} is damaged ({error}): remove it and resume, to make it again"
            ) from None

    def newest(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, if any; say which damaged ones were passed over."""
        for folder in reversed(self._folders()):
            try:
                return self._open(folder)
            except (OSError, ValueError, KeyError) as error:
                self._say(f"checkpoint {folder} is damaged ({error}): using the one before it")
        return None

    def _replace(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        facts: Mapping[str, Any],
        spared: int,
    ) -> None:
        try:
            with timed(CHECKPOINT):
                self._write(step, tensors, facts)
            self._measure(step)
            self._prune(spared)
        except (OSError, SafetensorError) as error:
            raise BaliError(
                f"checkpoint of step {step} could not be written to {self._folder} ({error}); "
                "the one before it is intact: free some space"
            ) from None

    def _open(self, folder: Path) -> Checkpoint:
        checkpoint = _read(folder)
        self._check_identity(folder, checkpoint.facts["identity"])
        return checkpoint

    def _check_identity(self, folder: Path, theirs: Mapping[str, Any]) -> None:
        ours = json.loads(json.dumps(self._facts["identity"]))
        for name in ours:
            if theirs.get(name) != ours[name]:
                raise UsageError(
                    f"{folder} belongs to another run: its {name} is {_short(theirs.get(name))}, "
                    f"this run's is {_short(ours[name])}; start a new job instead"
                )

    def _write(
        self,
        step: int,
        tensors: Mapping[str, Mapping[str, Tensor]],
        facts: Mapping[str, Any],
    ) -> None:
        final = self._place(step)
        with new_folder(final) as building:
            files = {}
            for name, values in tensors.items():
                path = building / f"{name}.safetensors"
                digest = write_tensors(values, path)
                files[path.name] = {"bytes": path.stat().st_size, "blake2b": digest}
            state = {
                "format": _FORMAT,
                "step": step,
                "facts": {**self._facts, **facts},
                "files": files,
            }
            (building / "state.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
            _flush(building)

    def _measure(self, step: int) -> None:
        count(CHECKPOINT_BYTES, sum(path.stat().st_size for path in self._place(step).iterdir()))
        note(LAST_CHECKPOINT, time.time())

    def _prune(self, spared: int) -> None:
        for old in self._folders()[: -self._keep]:
            if old != self._place(spared):
                shutil.rmtree(old)

    def _place(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}"

    def _folders(self) -> list[Path]:
        return sorted(self._folder.glob("step-*"))


def open_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint and compare its files with what was written.

    Raises :class:`BaliError` when it is damaged, or none at all.
    """
    try:
        return _read(folder)
    except (OSError, ValueError, KeyError) as error:
        raise BaliError(f"{folder} is no whole checkpoint ({error})") from None


@torch.no_grad()
def restore(
    checkpoint: Checkpoint,
    task: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Average | None = None,
) -> None:
    """Load weights, optimiser state and, on as many ranks as wrote them, random generators.

    The optimiser is a fused one: all of its state lives beside the parameters.
    """
    weights = load_file(checkpoint.folder / "model.safetensors")
    for name, value in _weights(task).items():
        value.copy_(distributed.like(weights[name], value))
    tensors = load_file(checkpoint.folder / "optimiser.safetensors")
    for name, parameter in task.named_parameters():
        prefix = f"{name}/"
        saved = {
            key.removeprefix(prefix): _state_like(value, parameter)
            for key, value in tensors.items()
            if key.startswith(prefix)
        }
        if saved:
            optimiser.state[parameter] = saved
    if average is not None:
        average.load(load_file(checkpoint.folder / "average.safetensors"))
    _set_generators(load_file(checkpoint.folder / "random.safetensors"), _device(task))


def _weights(task: nn.Module) -> dict[str, Tensor]:
    """Return every weight and buffer that lasts; one that is tied, under its first name."""
    first: dict[int, tuple[str, Tensor]] = {}
    for name, value in task.state_dict(keep_vars=True).items():
        first.setdefault(id(value), (name, value))
    return dict(first.values())


def _copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors to the memory of the host that writes them, one whole one after the other."""
    copies = {}
    for name, value in tensors.items():
        whole = distributed.whole(value.detach())
        if distributed.rank() == 0:
            copies[name] = whole.to("cpu", copy=True)
    return copies


def _device(task: nn.Module) -> torch.device:
    return next(task.parameters()).device


def _state_like(value: Tensor, parameter: Tensor) -> Tensor:
    """Put a moment where its parameter is; the count of steps is a scalar."""
    return distributed.like(value, parameter) if value.ndim else value.to(parameter.device)


def _read(folder: Path) -> Checkpoint:
    state = json.loads((folder / "state.json").read_bytes())
    if state["format"] != _FORMAT:
        raise ValueError(f"format {state['format']}, not {_FORMAT}")
    for name, description in state["files"].items():
        if _describe(folder / name) != description:
            raise ValueError(f"{name} is not what was written")
    return Checkpoint(folder, state["step"], state["facts"])


def _optimiser_tensors(task: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{name}/{key}": value
        for name, parameter in task.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def _generators(device: torch.device) -> dict[str, Tensor]:
    """Collect the generator states of all ranks: one row each."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return {name: distributed.gather_host(state) for name, state in states.items()}


def _set_generators(states: Mapping[str, Tensor], device: torch.device) -> None:
    rank = distributed.rank()
    if len(states["cpu"]) != distributed.world_size():
        return
    # torch ignores where in its storage a view begins, hence the copies.
    torch.set_rng_state(states["cpu"][rank].clone())
    if "cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"][rank].clone(), device)


def _describe(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "blake2b": digest_of(path)}


def _flush(folder: Path) -> None:
    """Force files and their folder to the disk, so that the rename cannot outrun them."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
