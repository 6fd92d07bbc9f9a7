"""What a batch is called, and what can hand batches over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, order=True, slots=True)
class BatchKey:
    """The place of a batch in a run: with the job's spec it determines every byte."""

    epoch: int
    index: int
    rank: int = 0

    def __str__(self) -> str:
        return f"epoch {self.epoch}, index {self.index}, rank {self.rank}"


class BatchSource(Protocol):
    """Where a trainer gets its batches."""

    def batches(self, keys: Iterable[BatchKey]) -> Iterator[tuple[BatchKey, bytes]]:
        """Yield exactly the batches of the (distinct) ``keys``, in their order."""
