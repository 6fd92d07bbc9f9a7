"""Exact nearest-name ranking of concepts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Bearers", "Ranks", "rank_concepts"]

_SCORES_AT_ONCE = 30_000_000


@dataclass(frozen=True)
class Bearers:
    """Which concepts bear which names: P pairs, by concept, without repeats.

    Attributes:
        concept: [P] concept of each pair, ascending, numbered without gaps.
        name: [P] row of its name's vector.
    """

    concept: NDArray[np.int64]
    name: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each concept's pairs begin, [C]."""
        return np.flatnonzero(np.diff(self.concept, prepend=-1))


@dataclass(frozen=True)
class Ranks:
    """Where the wanted concepts stand, for each of Q queries.

    A concept is as near as its nearest name. Concepts that are equally near share a rank.

    Attributes:
        rank: [Q] 1 + the number of concepts nearer than the nearest wanted one.
        tied: [Q] concepts with that rank.
        wanted: [Q] wanted ones among them.
    """

    rank: NDArray[np.int64]
    tied: NDArray[np.int64]
    wanted: NDArray[np.int64]


def rank_concepts(
    queries: NDArray[np.float32],
    names: NDArray[np.float32],
    bearers: Bearers,
    gold: list[NDArray[np.int64]],
) -> Ranks:
    """Rank all concepts for each query by the dot product with their names' vectors.

    Args:
        queries: [Q, d] vectors of unit length.
        names: [N, d] vectors of unit length.
        bearers: Names of the concepts.
        gold: The wanted concepts of each query, one at least.
    """
    starts = bearers.starts
    size = max(1, _SCORES_AT_ONCE // len(bearers.name))
    rows = [
        _place(scores, wanted)
        for first in range(0, len(queries), size)
        for scores, wanted in zip(
            _concept_scores(queries[first : first + size], names, bearers.name, starts),
            gold[first : first + size],
            strict=True,
        )
    ]
    rank, tied, wanted = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Ranks(rank, tied, wanted)


def _concept_scores(
    queries: NDArray[np.float32],
    names: NDArray[np.float32],
    pair_names: NDArray[np.int64],
    starts: NDArray[np.int64],
) -> NDArray[np.float32]:
    # Names come first, so that the names of a concept are gathered and reduced as whole rows.
    by_pair = (names @ queries.T)[pair_names]
    return np.ascontiguousarray(np.maximum.reduceat(by_pair, starts, axis=0).T)


def _place(scores: NDArray[np.float32], wanted: NDArray[np.int64]) -> tuple[int, int, int]:
    best = scores[wanted].max()
    return (
        1 + int(np.count_nonzero(scores > best)),
        int(np.count_nonzero(scores == best)),
        int(np.count_nonzero(scores[wanted] == best)),
    )
