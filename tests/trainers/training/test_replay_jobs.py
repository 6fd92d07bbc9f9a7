"""A recording is all that a replayed run needs: no graph, no corpus."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from bali.cli.main import app
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings
from bali_platform.streaming import BatchKey, InlineSource, Recorder, encode
from bali_trainers.batches.places import tokenizer_sha
from bali_trainers.training.start import main
from bali_trainers.training.submission import prepare


@pytest.fixture(autouse=True)
def _arithmetic_as_before():
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """A machine where nothing answers."""
    return Settings(home=tmp_path / "home", neo4j_uri="bolt://127.0.0.1:1", redis_url="redis://:1")


@pytest.fixture
def record(tmp_path: Path, make_arrays: Any, tiny_model: Any) -> Callable[..., Path]:
    def make(notes: bool = True, **changes: Any) -> Path:
        spec = {
            "seed": 0,
            "corpus": "/elsewhere/corpus",
            "corpus_sha": "c0",
            "graph_version": "g0",
            "relation_types": ["ISA", "PART_OF", "TREATS"],
            "tokenizer": "/elsewhere/tokenizer",
            "tokenizer_sha": tokenizer_sha(tiny_model()),
            "batch_size": 4,
            "max_length": 12,
        }
        path = tmp_path / "batches"
        source = InlineSource(lambda key: encode(make_arrays(key.index)))
        keys = [BatchKey(0, index) for index in range(4)]
        list(Recorder(source, path, {"spec": spec | changes} if notes else {}).batches(keys))
        return path

    return make


@pytest.fixture
def configuration(tmp_path: Path, tiny_model: Any) -> Path:
    path = tmp_path / "replay.toml"
    path.write_text(
        f"""
        name = "replayed"
        seed = 0
        [model]
        base = '{tiny_model()}'
        [data]
        source = "replay"
        replay = "batches"
        batch_size = 4
        max_length = 12
        [graph_encoder]
        layers = 1
        [run]
        device = "cpu"
        """
    )
    return path


def test_a_replayed_job_needs_nothing_but_its_recording(
    record: Any, configuration: Path, here: Settings, tmp_path: Path, monkeypatch: Any
) -> None:
    recording = record()
    monkeypatch.chdir(tmp_path)
    job = prepare(configuration, here)
    assert job.spec["corpus_sha"] == "c0"
    assert job.config["data"]["replay"] == str(recording), "workers run in another folder"
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(job.config))
    (folder / "spec.json").write_text(json.dumps(job.spec))
    assert main([str(folder)]) == 0
    assert (folder / "model" / "model.safetensors").exists()


def test_a_folder_is_written_for_torchrun(
    record: Any, configuration: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    record()
    monkeypatch.chdir(tmp_path)
    typed = ["train", str(configuration), "--folder", "shared/run"]
    assert CliRunner().invoke(app, typed).exit_code == 0
    assert main(["shared/run"]) == 0
    assert (tmp_path / "shared" / "run" / "model" / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("recorded", "said"),
    [
        ({"batch_size": 8}, "recorded with batch_size 8, not 4"),
        ({"encoder": "linearised"}, "recorded with encoder linearised, not graph"),
        ({"tokenizer_sha": "another"}, "recorded with tokenizer_sha another"),
        ({"nonsense": 1}, "is not one that this version can train from"),
    ],
)
def test_a_recording_of_other_batches_is_refused(
    record: Any, configuration: Path, here: Settings, recorded: Any, said: str
) -> None:
    recording = record(**recorded)
    with pytest.raises(BaliError, match=said):
        prepare(configuration, here, data={"replay": str(recording)})


@pytest.mark.parametrize(
    ("family", "changes", "said"),
    [
        (
            "deberta-v2",
            {"run": {"packed": True}},
            "texts of the family deberta-v2 cannot be packed",
        ),
        ("bert", {"data": {"max_length": 65}}, "positions for 64 pieces, .* max_length is 65"),
        ("bert", {"data": {"name_length": 65}}, "positions for 64 pieces, .* name_length is 65"),
        ("bert", {"model": {"base": "no/such/folder"}}, "neither a folder here nor a name"),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_it_is_queued(
    record: Any,
    configuration: Path,
    here: Settings,
    tiny_model: Any,
    family: str,
    changes: Any,
    said: str,
) -> None:
    recorded = changes.get("data", {})
    data = {"replay": str(record(**recorded)), **recorded}
    sections = {"model": {"base": str(tiny_model(family))}, **changes, "data": data}
    with pytest.raises(UsageError, match=said):
        prepare(configuration, here, **sections)


def test_a_recording_without_notes_is_refused(
    record: Any, configuration: Path, here: Settings
) -> None:
    with pytest.raises(BaliError, match="does not say what it holds"):
        prepare(configuration, here, data={"replay": str(record(notes=False))})


def test_a_corpus_is_no_use_to_a_replay(record: Any, configuration: Path, here: Settings) -> None:
    with pytest.raises(UsageError, match="replay"):
        prepare(configuration, here, data={"source": "workers", "replay": str(record())})
