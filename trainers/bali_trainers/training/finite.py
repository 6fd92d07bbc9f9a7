"""Whether losses and gradients are finite, without a wait for the device in every step."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from bali_platform.base.errors import UsageError
from bali_trainers.training.prefetch import Arrival

UNCHECKED = 256
"""Batches that are kept at most until their losses are looked at."""


class Finite:
    """Keeps batches until it is known that what they gave is finite.

    Args:
        folder: Where the first batch is left for which that is not so.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: list[tuple[Arrival, Tensor]] = []

    def note(self, arrival: Arrival, value: Tensor) -> None:
        """Take a loss, or a gradient's norm, that a batch gave."""
        self._seen.append((arrival, torch.isfinite(value)))
        if len(self._seen) >= UNCHECKED:
            self.check()

    def check(self) -> None:
        """Raise :class:`UsageError`, as no second try helps, if what was noted is not finite."""
        seen, self._seen = self._seen, []
        if not seen:
            return
        fine = torch.stack([flag for _, flag in seen]).tolist()
        if not all(fine):
            raise self._error(seen[fine.index(False)][0])

    def _error(self, arrival: Arrival) -> UsageError:
        key = arrival.key
        path = self._folder / f"not-finite-{key.epoch}-{key.index}-{key.rank}.safetensors"
        path.write_bytes(arrival.payload)
        return UsageError(
            f"the loss of {key} is not finite, or its gradient; the batch is in {path}: lower "
            "the learning rates, or use bf16 or fp32"
        )
