"""Counter-based random numbers: what is drawn depends on what it is for, never on when."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Purpose(IntEnum):
    """What random numbers are drawn for; each has a stream of its own."""

    ORDER = 1
    MASKING = 2
    NEIGHBOURS = 3
    NAMES = 4
    SYNONYMS = 5
    NEGATIVES = 6
    DEV = 7
    LINKS = 8
    CONTROL = 9
    FURTHER = 10
    ABBREVIATIONS = 11
    SHORT_NAMES = 12
    SWAPS = 13
    SENTENCES = 14
    HIDDEN = 15


def generator(
    seed: int, purpose: Purpose, *, epoch: int, index: int = 0, rank: int = 0
) -> np.random.Generator:
    """Return the generator of one purpose in one batch.

    Philox takes seed and purpose as its key and the batch as the high words of its counter, so
    streams never overlap (each has 2**64 blocks) and need no state from an earlier batch.
    """
    key = np.array([seed, purpose], dtype=np.uint64)
    counter = np.array([0, rank, index, epoch], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def sample_without_replacement(
    random: np.random.Generator, sizes: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose at most ``count`` of ``range(size)`` for every size, uniformly.

    Returns (row, choice), both [C]: ``choice[j]`` was drawn from ``range(sizes[row[j]])``.
    """
    width = int(sizes.max(initial=0))
    if width == 0 or count == 0:
        nothing = np.empty(0, dtype=np.int64)
        return nothing, nothing
    keys = random.random((len(sizes), width))
    keys[np.arange(width) >= sizes[:, None]] = np.inf
    order = np.argsort(keys, axis=1)[:, :count]
    row, column = np.nonzero(np.isfinite(np.take_along_axis(keys, order, axis=1)))
    return row, order[row, column]
