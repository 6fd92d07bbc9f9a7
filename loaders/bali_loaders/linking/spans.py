"""Where names are and what each means, as columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.choosing import Answer
from bali_loaders.linking.joined import Flags, Positions
from bali_loaders.linking.matcher import leftmost


@dataclass(frozen=True)
class Spans:
    """Names at positions of all documents joined, [S].

    Attributes:
        start: [S] the first character.
        end: [S] the character after the last.
        priority: [S] of spans that tie, the lower wins.
        answer: [S] what each means; None for what means nothing.
    """

    start: Positions
    end: Positions
    priority: NDArray[np.uint8]
    answer: NDArray[np.object_]

    @classmethod
    def made(
        cls, start: Positions, end: Positions, answer: NDArray[np.object_], priority: int
    ) -> Spans:
        """Make spans of one priority."""
        return cls(start, end, np.full(len(start), priority, dtype=np.uint8), answer)

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, Answer | None]], priority: int) -> Spans:
        """Make spans of one priority of (start, end, answer)."""
        start, end, answer = zip(*rows, strict=True) if (rows := list(rows)) else ((), (), ())
        first, after = (np.array(column, dtype=np.int64) for column in (start, end))
        return cls.made(first, after, np.fromiter(answer, dtype=object), priority)

    @classmethod
    def joined(cls, parts: Iterable[Spans]) -> Spans:
        """Put spans after one another."""
        columns = zip(*((p.start, p.end, p.priority, p.answer) for p in parts), strict=True)
        return cls(*map(np.concatenate, columns))

    def __len__(self) -> int:
        return len(self.start)

    def __getitem__(self, chosen: Positions | Flags) -> Spans:
        return Spans(
            self.start[chosen], self.end[chosen], self.priority[chosen], self.answer[chosen]
        )

    def disjoint(self) -> Spans:
        """Choose from left to right the longest span that starts first, none overlapping."""
        order = np.lexsort((self.priority, -self.end, self.start))
        order = order[np.diff(self.start[order], prepend=-1) > 0]
        return self[order[leftmost(self.start[order], self.end[order])]]
