"""Concepts whose names look alike, found by the character trigrams of their preferred names."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bali_platform.graph.names import name_key
from bali_platform.subgraphs import NeighbourhoodSource

COMPARED = 32  # concepts that share most trigrams, whose names are then compared
_ASKED = 16  # trigrams of a name by which these are sought, the rarest
_CONCEPTS_AT_ONCE = 4096
_REMEMBERED = 200_000


class LookAlikes:
    """The concepts of a corpus, to be asked which of them have names like a given one.

    Takes some 200 bytes a concept. What it answers depends on the names alone.
    """

    def __init__(self, cuis: Sequence[str], source: NeighbourhoodSource) -> None:
        names: dict[str, str] = {}
        for first in range(0, len(cuis), _CONCEPTS_AT_ONCE):
            found = source.names(cuis[first : first + _CONCEPTS_AT_ONCE])
            names |= {cui: own[0] for cui, own in found.items() if own}
        self._cuis = sorted(names)
        self._names = [names[cui] for cui in self._cuis]
        self._number: dict[str, int] = {}
        self._first, self._bearers = self._index()
        self.nearest = lru_cache(maxsize=_REMEMBERED)(self._nearest)

    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Return where the concepts of each trigram begin, and the concepts by trigram."""
        pairs = (
            (self._number.setdefault(trigram, len(self._number)), concept)
            for concept, name in enumerate(self._names)
            for trigram in sorted(_trigrams(name))
        )
        trigram, concept = np.fromiter(pairs, dtype=np.dtype((np.int32, 2))).T
        order = np.argsort(trigram, kind="stable")
        counts = np.bincount(trigram, minlength=len(self._number))
        return np.concatenate([[0], np.cumsum(counts)]), concept[order]

    def _nearest(self, name: str, count: int) -> tuple[str, ...]:
        """Return the concepts whose names are most like ``name``, see :func:`likeness`.

        Those of the very same name, but for case, are none: it cannot tell them apart. Of the names
        that share a trigram, those are compared that share most of the rarest.
        """
        numbers = np.array([n for t in _trigrams(name) if (n := self._number.get(t)) is not None])
        if not len(numbers):
            return ()
        sizes = self._first[numbers + 1] - self._first[numbers]
        rarest = numbers[np.lexsort((numbers, sizes))[:_ASKED]]
        sharing = np.concatenate(
            [self._bearers[self._first[n] : self._first[n + 1]] for n in rarest.tolist()]
        )
        concepts, shared = np.unique(sharing, return_counts=True)
        closest = concepts[np.argsort(-shared, kind="stable")[: COMPARED + count]].tolist()
        others = [c for c in closest if name_key(self._names[c]) != name_key(name)]
        ranked = sorted(others, key=lambda c: (-likeness(self._names[c], name), c))
        return tuple(self._cuis[concept] for concept in ranked[:count])


def likeness(one: str, other: str) -> float:
    """Return the share of character trigrams that two names have in common, without case.

    >>> likeness("acute gastritis", "Acute Gastritis"), likeness("fever", "cough")
    (1.0, 0.0)
    """
    ours, theirs = _trigrams(one), _trigrams(other)
    return len(ours & theirs) / len(ours | theirs)


def _trigrams(name: str) -> set[str]:
    padded = f"  {name.lower()} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}
