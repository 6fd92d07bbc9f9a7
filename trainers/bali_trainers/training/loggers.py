"""Metrics for the tools that people watch runs with; their packages are the extra ``loggers``.

All of them write below the job's folder and need no server: look at a run with ``tensorboard
--logdir``, ``mlflow ui --backend-store-uri`` or, for Weights & Biases, ``wandb sync``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Protocol

from bali_platform.base.errors import BaliError


class Logger(Protocol):
    """What is told the metrics of a run."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Take the metrics of an interval that ends with ``step``."""

    def close(self) -> None:
        """Write what is left."""


class _TensorBoard:
    def __init__(self, folder: Path, name: str) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(folder / "tensorboard" / name)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        for metric, value in values.items():
            self._writer.add_scalar(metric, value, step)

    def close(self) -> None:
        self._writer.close()


class _Mlflow:
    def __init__(self, folder: Path, name: str) -> None:
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=(folder / "mlflow").resolve().as_uri())
        experiment = self._client.get_experiment_by_name(name)
        self._run = self._client.create_run(
            experiment.experiment_id if experiment else self._client.create_experiment(name)
        ).info.run_id

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        for metric, value in values.items():
            self._client.log_metric(self._run, metric, value, step=step)

    def close(self) -> None:
        self._client.set_terminated(self._run)


class _WeightsAndBiases:
    def __init__(self, folder: Path, name: str) -> None:
        os.environ.setdefault("WANDB_MODE", "offline")
        import wandb

        self._run = wandb.init(project="bali", name=name, dir=folder)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


_KINDS: Mapping[str, Callable[[Path, str], Logger]] = {
    "tensorboard": _TensorBoard,
    "mlflow": _Mlflow,
    "wandb": _WeightsAndBiases,
}


@contextmanager
def open_loggers(kinds: Sequence[str], folder: Path, name: str) -> Iterator[Sequence[Logger]]:
    """Start loggers of a run called ``name``, and close them at its end."""
    with ExitStack() as stack:
        yield [stack.enter_context(closing(_open(kind, folder, name))) for kind in kinds]


def _open(kind: str, folder: Path, name: str) -> Logger:
    try:
        return _KINDS[kind](folder, name)
    except ImportError:
        raise BaliError(f"[run] loggers = '{kind}' needs: pip install 'bali[loggers]'") from None
