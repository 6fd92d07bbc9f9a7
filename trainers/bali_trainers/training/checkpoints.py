"""Checkpoints: safetensors and JSON, written whole or not at all, and resumed bit for bit.

A checkpoint is a folder ``step-00000050`` with ``model.safetensors``, ``optimiser.safetensors``,
``random.safetensors`` (the generators of every rank), ``average.safetensors`` if one is kept, and
``state.json``, which holds what else a run is, and size and digest of the other files. It is
written beside its place and renamed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bali_platform.base.errors import BaliError
from bali_trainers.training import distributed

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


class Average:
    """An exponential moving average of a module's trainable weights."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self.weights = {n: p.detach().clone() for n, p in self._parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move towards the current weights."""
        for name, parameter in self._parameters.items():
            self.weights[name].lerp_(parameter, 1 - self.decay)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take over an average that was saved."""
        for name, value in weights.items():
            self.weights[name].copy_(distributed.like(value, self.weights[name]))

    @torch.no_grad()
    def apply(self) -> None:
        """Put the average in the place of the weights."""
        for name, parameter in self._parameters.items():
            parameter.copy_(self.weights[name])


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
        """Write a checkpoint; every rank must call this, the first one writes.

        The checkpoint of step ``spared`` is kept beside the newest ones. ``facts`` are added to
        those of the run, ``scaler`` for instance.
        """
        tensors = {
            "model": _whole(_weights(task)),
            "optimiser": _whole(_optimiser_tensors(task, optimiser)),
            "random": _generators(),
        }
        if average is not None:
            tensors["average"] = _whole(average.weights)
        if distributed.rank() == 0:
            try:
                self._write(step, tensors, facts)
                self._prune(spared)
            except (OSError, SafetensorError) as error:
                raise BaliError(
                    f"checkpoint of step {step} could not be written to {self._folder} ({error}); "
                    "the one before it is intact: free some space, then resume"
                ) from None

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

    def _open(self, folder: Path) -> Checkpoint:
        checkpoint = _read(folder)
        self._check_identity(folder, checkpoint.facts["identity"])
        return checkpoint

    def _check_identity(self, folder: Path, theirs: Mapping[str, Any]) -> None:
        ours = json.loads(json.dumps(self._facts["identity"]))
        for name in ours:
            if theirs.get(name) != ours[name]:
                raise BaliError(
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
        building = self._folder / f".{final.name}.building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        try:
            for name, values in tensors.items():
                save_tensors(values, building / f"{name}.safetensors")
            state = {
                "format": _FORMAT,
                "step": step,
                "facts": {**self._facts, **facts},
                "files": {path.name: _describe(path) for path in sorted(building.iterdir())},
            }
            (building / "state.json").write_text(json.dumps(state, indent=2), encoding="utf-8")
            _flush(building)
            shutil.rmtree(final, ignore_errors=True)
            building.rename(final)
        finally:
            shutil.rmtree(building, ignore_errors=True)

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
    _set_generators(load_file(checkpoint.folder / "random.safetensors"))


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors as safetensors, wherever they live."""
    save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, path)


def _weights(task: nn.Module) -> dict[str, Tensor]:
    """Return every weight and buffer that lasts; one that is tied, under its first name."""
    first: dict[int, tuple[str, Tensor]] = {}
    for name, value in task.state_dict(keep_vars=True).items():
        first.setdefault(id(value), (name, value))
    return dict(first.values())


def _whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: distributed.whole(value.detach()) for name, value in tensors.items()}


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


def _generators() -> dict[str, Tensor]:
    """Collect the generator states of all ranks: one row each."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return {
        name: distributed.gather_rows(state[None].to(device))[0].cpu()
        for name, state in states.items()
    }


def _set_generators(states: Mapping[str, Tensor]) -> None:
    rank = distributed.rank()
    if len(states["cpu"]) != distributed.world_size():
        return
    # torch ignores where in its storage a view begins, hence the copies.
    torch.set_rng_state(states["cpu"][rank].clone())
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"][rank].clone())


def _describe(path: Path) -> dict[str, Any]:
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return {"bytes": path.stat().st_size, "blake2b": digest.hexdigest()}


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
