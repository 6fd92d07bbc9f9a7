"""How rows of tokens are cut into parts of like length, so that little padding is computed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Token slots of a pass that fill a device: issuing the operations of fewer takes a GPU as long.
FILLED = {"cpu": 0, "cuda": 2048}


class Part(NamedTuple):
    """Rows ``first`` to ``last`` (exclusive), of which ``width`` columns hold tokens.

    ``full`` says that all of them have that length: no padding, no attention mask.
    """

    first: int
    last: int
    width: int
    full: bool

    @property
    def slots(self) -> int:
        """Places for tokens, those that are padding included."""
        return (self.last - self.first) * self.width


@dataclass(frozen=True, slots=True)
class Layout:
    """What governs the cutting.

    Attributes:
        filled: Token slots that fill the device: a pass of fewer takes as long.
        rows: Rows of a part at most; any number, if None.
        whole: Make one part, whatever the padding: where ranks must make equally many passes.
        packed: Make one part, whose rows share those that are computed: no padding.
        part_cost: Token slots that one more pass is worth.
    """

    filled: int = FILLED["cpu"]
    rows: int | None = None
    whole: bool = False
    packed: bool = False
    part_cost: int = 32  # next to nothing

    def cut(self, lengths: NDArray[np.int64]) -> tuple[Part, ...]:
        """Cut rows with ascending ``lengths`` into the parts that cost least.

        The cost of a part is its slots, ``filled`` at least, and ``part_cost``. The
        minimum is exact among cuts where the length changes, by dynamic programming.
        """
        ends = [0, *(np.flatnonzero(np.diff(lengths)) + 1).tolist(), len(lengths)]
        one = self.whole or self.packed
        chosen = [0, len(ends) - 1] if one else self._cheapest(np.array(ends), lengths)
        pieces = [
            (first, min(first + (self.rows or len(lengths)), ends[right]))
            for left, right in pairwise(chosen)
            for first in range(ends[left], ends[right], self.rows or len(lengths))
        ]
        return tuple(
            Part(first, last, int(lengths[last - 1]), bool(lengths[first] == lengths[last - 1]))
            for first, last in pieces
        )

    def _cheapest(self, ends: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[int]:
        """Return which of ``ends`` bound the parts, from the first to the last of them."""
        cost = np.zeros(len(ends))
        before = np.zeros(len(ends), dtype=np.int64)
        for right in range(1, len(ends)):
            slots = (ends[right] - ends[:right]) * lengths[ends[right] - 1]
            totals = cost[:right] + np.maximum(slots, self.filled) + self.part_cost
            before[right] = totals.argmin()
            cost[right] = totals[before[right]]
        chosen = [len(ends) - 1]
        while chosen[-1]:
            chosen.append(int(before[chosen[-1]]))
        return chosen[::-1]
