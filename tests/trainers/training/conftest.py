"""Jobs of tiny models on recorded batches."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bali_platform.streaming import BatchKey, InlineSource, Recorder, encode
from bali_trainers.batches.order import DEV_EPOCH

BATCHES = 8


@pytest.fixture(autouse=True)
def _arithmetic_as_before():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def recording(tmp_path, make_arrays) -> Path:
    path = tmp_path / "batches.bali"
    source = InlineSource(
        lambda key: encode(make_arrays(key.rank * 1000 + key.epoch * 100 + key.index))
    )
    keys = [
        BatchKey(epoch, index, rank)
        for epoch in (*range(8), DEV_EPOCH)
        for index in range(BATCHES)
        for rank in range(2)
    ]
    assert len(list(Recorder(source, path).batches(keys))) == len(keys)
    return path


@pytest.fixture
def job(tmp_path, recording, settings_text, tiny_model) -> Callable[..., Path]:
    def make(name: str, spec: dict | None = None, **sections: dict) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        sections["data"] = {
            "source": "replay",
            "replay": str(recording),
            **sections.get("data", {}),
        }
        sections["run"] = {"checkpoint_every": 5, "log_every": 5, **sections.get("run", {})}
        (folder / "config.json").write_text(json.dumps(settings_text(**sections)))
        whole = {
            "seed": 29,
            "corpus": str(tmp_path / "corpus"),
            "corpus_sha": "c0",
            "graph_version": "g0",
            "relation_types": ["ISA", "PART_OF", "TREATS"],
            "tokenizer": str(tiny_model()),
            **(spec or {}),
        }
        (folder / "spec.json").write_text(json.dumps(whole))
        return folder

    return make
