"""Which device each process of a run trains on, and what a machine cannot do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from bali_platform.base.errors import UsageError
from bali_trainers.training.config import parse_config
from bali_trainers.training.devices import choose_device


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def have(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return have


def choose(local_rank: int = 0, backend: str = "pyg", **run: Any) -> torch.device:
    data = {"name": "x", "run": run, "graph_encoder": {"backend": backend}}
    return choose_device(parse_config(data, "x"), local_rank)


def test_processes_have_their_own_gpu(gpus: Callable[[int], None]) -> None:
    gpus(2)
    assert choose() == torch.device("cuda", 0)
    assert choose(device="cuda:1") == torch.device("cuda", 1)
    assert [choose(rank, processes=2).index for rank in (0, 1)] == [0, 1]
    assert choose(backend="dgl").type == "cpu"
    gpus(0)
    assert choose(1, processes=2) == torch.device("cpu")


@pytest.mark.parametrize(
    ("there", "run", "line"),
    [
        (0, {"precision": "fp16"}, "precision = 'fp16' needs a GPU"),
        (0, {"device": "cuda"}, "device 'cuda': torch sees no GPU here"),
        (1, {"device": "cuda:9"}, "device 'cuda:9': torch sees 1 GPU, numbered from 0"),
        (2, {"processes": 3}, "processes = 3: torch sees 2 GPUs here"),
        (2, {"device": "cuda:1", "processes": 2}, "is one GPU, not one for each of 2 processes"),
    ],
)
def test_what_a_machine_lacks_is_one_line(
    gpus: Callable[[int], None], there: int, run: dict[str, Any], line: str
) -> None:
    gpus(there)
    with pytest.raises(UsageError, match=line):
        choose(run.get("processes", 1) - 1, **run)
