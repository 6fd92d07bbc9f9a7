"""What a run measures about itself between two reports."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from bali_trainers.batches.batch import Batch

# Dense bf16 and fp16 peaks in FLOP/s, from the makers' data sheets; the first name that fits.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "T4": 65e12}


def peak_flops(device_name: str, precision: str) -> float | None:
    """Return what a GPU can do at most in half precision, in FLOP/s, if that is known."""
    if precision == "fp32":
        return None
    return next((peak for name, peak in PEAKS.items() if name in device_name), None)


class Meter:
    """Sums over an interval, read and cleared by :meth:`read`.

    Metrics stay on their device until then, so that no step waits for a transfer.

    Args:
        device: Where the batches are.
        weights: Weights that every token is multiplied with.
        peak: The device's FLOP/s at most, if known.
    """

    def __init__(
        self, device: torch.device, *, weights: int = 0, peak: float | None = None
    ) -> None:
        self._device, self._weights, self._peak = device, weights, peak
        self._clear()

    def add(self, batch: Batch, metrics: Mapping[str, Tensor]) -> None:
        """Count a batch and what the task reported on it."""
        self._batches += 1
        self._sentences += len(batch.sentences.ids)
        self._lost += batch.lost_mentions
        self._mentions += len(batch.concepts)
        for tokens in batch.tokens():
            self._tokens += tokens.count
            self._slots += tokens.slots
        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0) + value

    def read(self, waited_s: float) -> dict[str, float]:
        """Return the interval's means and rates; ``waited_s`` is the total wait for data so far.

        ``sentences_s`` and ``tokens_s`` are per second of this rank; ``padding`` is the share of
        token slots that held none; ``data_wait`` the share of time spent waiting for batches;
        ``cpu_s`` the processor time of this process, its prefetching thread included;
        ``memory_mib`` the peak so far, of the GPU or else of the process; ``mfu`` the share of the
        device's peak that 6 FLOP a weight and token amount to, attention and recomputation not
        counted.
        """
        elapsed = max(time.perf_counter() - self._started, 1e-9)
        values = {name: float(total) / self._batches for name, total in self._sums.items()}
        values |= {
            "sentences_s": self._sentences / elapsed,
            "tokens_s": self._tokens / elapsed,
            "padding": 1 - self._tokens / max(self._slots, 1),
            "data_wait": (waited_s - self._waited) / elapsed,
            "mentions": self._mentions / self._batches,
            "lost_mentions": float(self._lost),
            "cpu_s": time.process_time() - self._used,
        }
        values["memory_mib"] = _peak_memory(self._device) / 2**20
        if self._peak is not None:
            values["mfu"] = 6 * self._weights * values["tokens_s"] / self._peak
        self._clear(waited_s)
        return values

    def _clear(self, waited_s: float = 0.0) -> None:
        self._started, self._waited = time.perf_counter(), waited_s
        self._used = time.process_time()
        self._batches = self._sentences = self._mentions = self._lost = 0
        self._tokens = self._slots = 0
        self._sums: dict[str, Tensor | int] = {}


def _peak_memory(device: torch.device) -> int:
    """Return the most bytes that were in use at a time."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
