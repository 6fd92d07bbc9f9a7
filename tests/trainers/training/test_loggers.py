"""Each logger's own reader finds what a run told it."""

from __future__ import annotations

import pytest

from bali_platform.base.errors import BaliError
from bali_trainers.training import loggers
from bali_trainers.training.journal import Journal
from bali_trainers.training.loggers import open_loggers

VALUES = {"loss": 2.5, "sentences_s": 10.0}


def journal(kind, folder):
    with open_loggers([kind], folder, "run") as opened:
        book = Journal(folder, None, opened)
        book.metrics(1, 2, VALUES)
        book.metrics(2, 2, {**VALUES, "loss": 1.5})


def test_tensorboard(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    journal("tensorboard", tmp_path)
    found = EventAccumulator(str(tmp_path / "tensorboard" / "run"))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss")] == [(1, 2.5), (2, 1.5)]


def test_mlflow(tmp_path):
    from mlflow import MlflowClient

    journal("mlflow", tmp_path)
    client = MlflowClient((tmp_path / "mlflow").as_uri())
    (run,) = client.search_runs([client.get_experiment_by_name("run").experiment_id])
    assert run.info.status == "FINISHED"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(1, 2.5), (2, 1.5)]


def test_weights_and_biases_offline(tmp_path):
    import wandb

    journal("wandb", tmp_path)
    wandb.teardown()  # its own process writes; this waits for it
    (record,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"sentences_s" in record.read_bytes()


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    def absent(folder, name):
        raise ImportError("no such package")

    monkeypatch.setattr(loggers, "_KINDS", {"mlflow": absent})
    with (
        pytest.raises(BaliError, match=r"pip install 'bali\[loggers\]'"),
        open_loggers(["mlflow"], tmp_path, "run"),
    ):
        pass
