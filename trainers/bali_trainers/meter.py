"""What a run measures about itself between two reports."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from torch import Tensor

from bali_trainers.batch import Batch, Linearised, Tokens

__all__ = ["Meter"]


class Meter:
    """Sums over an interval, read and cleared by :meth:`read`.

    Metrics stay on their device until then, so that no step waits for a transfer.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._clear()

    def add(self, batch: Batch, metrics: Mapping[str, Tensor]) -> None:
        """Count a batch and what the task reported on it."""
        self._batches += 1
        self._sentences += len(batch.sentences.ids)
        self._lost += batch.lost_mentions
        self._mentions += len(batch.concepts)
        graph = batch.graph
        for tokens in (
            batch.sentences,
            graph.text if isinstance(graph, Linearised) else graph.names,
        ):
            self._count_tokens(tokens)
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0) + value

    def read(self, waited_s: float) -> dict[str, float]:
        """Return the interval's means and rates; ``waited_s`` is the total wait for data so far.

        ``sentences_s`` and ``tokens_s`` are per second of this rank; ``padding`` is the share of
        token slots that held none; ``data_wait`` the share of time spent waiting for batches;
        ``memory_mib`` the peak on the GPU.
        """
        elapsed = max(time.perf_counter() - self._started, 1e-9)
        values = {name: float(total) / self._batches for name, total in self._sums.items()}
        values |= {
            "sentences_s": self._sentences / elapsed,
            "tokens_s": float(self._tokens) / elapsed,
            "padding": 1 - float(self._tokens) / max(self._slots, 1),
            "data_wait": (waited_s - self._waited) / elapsed,
            "mentions": self._mentions / self._batches,
            "lost_mentions": float(self._lost),
        }
        if self._device.type == "cuda":
            values["memory_mib"] = torch.cuda.max_memory_allocated(self._device) / 2**20
        self._clear(waited_s)
        return values

    def _count_tokens(self, tokens: Tokens) -> None:
        self._tokens += tokens.mask.sum()
        self._slots += tokens.mask.numel()

    def _clear(self, waited_s: float = 0.0) -> None:
        self._started, self._waited = time.perf_counter(), waited_s
        self._batches = self._sentences = self._slots = self._lost = self._mentions = 0
        self._tokens = torch.zeros((), dtype=torch.int64, device=self._device)
        self._sums: dict[str, Tensor | int] = {}
