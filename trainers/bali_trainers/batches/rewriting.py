"""Sentences rewritten around their mentions, which stay marked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bali_trainers.batches.sentences import SentenceBatch


class Rewriting:
    """A copy of a batch, whose mentions can be made to say something else."""

    def __init__(self, batch: SentenceBatch) -> None:
        self._batch, self._texts = batch, list(batch.texts)
        self._start, self._end = batch.start.copy(), batch.end.copy()

    def text(self, mention: int) -> str:
        """Return what a mention says."""
        text: str = self._texts[self._batch.row[mention]]
        return text[self._start[mention] : self._end[mention]]

    def overlaps(self, mention: int) -> bool:
        """Tell whether a mention shares a character with another one."""
        crossing = (self._start < self._end[mention]) & (self._end > self._start[mention])
        beside = self._batch.row == self._batch.row[mention]
        return int(np.count_nonzero(crossing & beside)) > 1

    def show(self, mention: int, text: str, *, before: str = "", after: str = "") -> None:
        """Let a mention that overlaps no other be ``text``, between what is no part of it."""
        row, first, last = self._batch.row[mention], self._start[mention], self._end[mention]
        shown = f"{before}{text}{after}"
        later = (self._batch.row == row) & (self._start >= last)
        self._texts[row] = self._texts[row][:first] + shown + self._texts[row][last:]
        self._move(later, len(shown) - (last - first))
        self._start[mention] = first + len(before)
        self._end[mention] = self._start[mention] + len(text)

    def begin_with(self, mention: int, text: str) -> None:
        """Put ``text`` before the sentence of a mention."""
        row = self._batch.row[mention]
        self._texts[row] = text + self._texts[row]
        self._move(self._batch.row == row, len(text))

    def batch(self) -> SentenceBatch:
        """Return the sentences as they are now."""
        return replace(self._batch, texts=self._texts, start=self._start, end=self._end)

    def _move(self, mentions: NDArray[np.bool_], by: int) -> None:
        self._start[mentions] += by
        self._end[mentions] += by
