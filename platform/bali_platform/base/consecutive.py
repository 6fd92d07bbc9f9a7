"""Runs of consecutive rows, as tables sorted by a key have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def spell_out(first: Indices, counts: Indices) -> tuple[Indices, Indices]:
    """Return every row of some runs, [N], as the number of its run and the row itself.

    >>> run, row = spell_out(np.array([7, 0]), np.array([2, 3]))
    >>> run.tolist(), row.tolist()
    ([0, 0, 1, 1, 1], [7, 8, 0, 1, 2])

    Args:
        first: The first row of each run.
        counts: How many rows it has.
    """
    run = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(run)) - np.repeat(np.cumsum(counts) - counts, counts)
    return run, first[run] + place
