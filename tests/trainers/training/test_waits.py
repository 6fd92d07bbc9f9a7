"""No step waits for the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bali_platform.streaming import BatchKey, InlineSource, encode
from bali_trainers.batches.layout import Layout
from bali_trainers.training.average import Average
from bali_trainers.training.checkpoints import Checkpoints
from bali_trainers.training.config import (
    Config,
    ObjectivesConfig,
    load_config,
    parse_config,
    shipped_configs,
)
from bali_trainers.training.joint_model import build_task, parameter_groups
from bali_trainers.training.loop import Plan, Trainer

WAITS = (
    "_local_scalar_dense",
    "masked_select",
    "nonzero",
    "repeat_interleave.Tensor",
    "unique",
)
"""Operations whose result, or its size, the host must read."""

EVERY = {name: {} for name in ObjectivesConfig.model_fields}


class Waits(TorchDispatchMode):
    """Keeps the names of operations that wait for their result, or carry it elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func.name().removeprefix("aten::")
        result = func(*args, **kwargs)
        asks = name.startswith(WAITS) and kwargs.get("output_size") is None
        if asks or (name.startswith("index") and masks(args)) or moves(args, result):
            self.seen.append(name)
        return result


def masks(args: Any) -> bool:
    """Whether a mask says which elements are meant: how many these are, only it knows."""
    indices = args[1] if len(args) > 1 and isinstance(args[1], (list, tuple)) else ()
    return any(isinstance(i, Tensor) and i.dtype in (torch.bool, torch.uint8) for i in indices)


def moves(args: Any, result: Any) -> bool:
    """Whether a tensor has come from another device."""
    sources = [arg.device for arg in args if isinstance(arg, Tensor) and arg.ndim]
    return isinstance(result, Tensor) and any(device != result.device for device in sources)


@dataclass
class Observer:
    """A reporter that knows how many waits there were in the steps that reported nothing."""

    waits: Waits
    silent: list[str] = field(default_factory=list)
    reported: list[int] = field(default_factory=list)
    before: int = 0

    def metrics(self, step: int, total: int, values: dict[str, float]) -> None:
        self.reported.append(step)
        self.before = len(self.waits.seen)

    def resumed(self, step: int) -> None:
        raise AssertionError

    def saved(self, step: int) -> None:
        pass

    def cancelled(self) -> bool:
        self.silent += self.waits.seen[self.before :]
        self.before = len(self.waits.seen)
        return False


def linearised(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    texts = len(arrays["mention_concept"]) + len(arrays["negative_concept"])
    kept = {k: v for k, v in arrays.items() if not k.startswith(("name_", "edge_", "node_"))}
    ids = np.random.default_rng(0).integers(5, 100, (texts, 9)).astype(np.int32)
    mask = (np.arange(9) < np.linspace(4, 9, texts)[:, None]).astype(np.uint8)
    return kept | {"graph_input_ids": ids * mask, "graph_attention_mask": mask}


def tiny(config: Config, base: Path) -> Config:
    """The same configuration with a small model, on a processor."""
    data = config.model_dump(mode="json", exclude_none=True)
    data["model"]["base"] = str(base)
    data["run"] |= {"device": "cpu", "precision": "fp32", "processes": 1, "parallel": "ddp"}
    return parse_config(data, "test")


def train(config: Config, draw: Callable[..., Any], folder: Path, **run: Any) -> Observer:
    def build(key: BatchKey) -> bytes:
        arrays = draw(key.index, sentences=5, further=2)
        return encode(linearised(arrays) if config.graph_encoder.kind == "linearised" else arrays)

    task = build_task(config, 3)
    waits = Waits()
    observer = Observer(waits)
    trainer = Trainer(
        task=task,
        optimiser=torch.optim.AdamW(parameter_groups(task, config.optimiser), fused=True),
        plan=Plan(batches_per_epoch=6, max_steps=6),
        source=InlineSource(build),
        checkpoints=Checkpoints(folder, keep=1, facts={"identity": {}}, say=print),
        reporter=observer,
        device=torch.device("cpu"),
        run=config.run.model_copy(update={"log_every": 4, "checkpoint_every": "1 min"}),
        rates=config.optimiser,
        folder=folder,
        average=Average(task, 0.9),
        **run,
    )
    with waits:
        assert trainer.train()
    return observer


@pytest.mark.parametrize("name", shipped_configs())
def test_no_step_of_a_shipped_configuration_waits(name, tiny_model, make_arrays, tmp_path):
    config = tiny(load_config(name), tiny_model())
    observer = train(config, make_arrays, tmp_path, layout=Layout(packed=True))
    assert observer.reported == [1, 4, 6]
    assert observer.silent == []
    assert "_local_scalar_dense" in observer.waits.seen, "reports do wait"


@pytest.mark.parametrize("pooling", ["attention", "max"])
@pytest.mark.parametrize("family", ["bert", "roberta", "modernbert"])
def test_no_step_of_all_objectives_waits(
    family, pooling, tiny_model, settings_text, make_arrays, tmp_path
):
    model = {"base": str(tiny_model(family)), "pooling": pooling}
    settings = settings_text(model=model, objectives=EVERY, data={"mention_texts": True})
    observer = train(parse_config(settings, "test"), make_arrays, tmp_path)
    assert observer.silent == []
