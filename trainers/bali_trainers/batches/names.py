"""A name at random for every node, never one that training must not see."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_platform.graph.names import is_withheld
from bali_platform.subgraphs import NeighbourhoodSource

REMEMBERED_CONCEPTS = 200_000


class NameDrawer:
    """Draws names: the preferred one and every synonym that is not withheld are equally likely."""

    def __init__(self, source: NeighbourhoodSource, withheld: float) -> None:
        self._source, self._withheld = source, withheld
        self._allowed: dict[str, tuple[str, ...]] = {}

    def draw(self, cuis: Sequence[str], random: np.random.Generator) -> list[str]:
        """Draw a name for each concept."""
        self._learn(cuis)
        return _choose([self._allowed[cui] for cui in cuis], random)

    def another(
        self, cuis: Sequence[str], drawn: Sequence[str], random: np.random.Generator
    ) -> list[str]:
        """Draw a second name for each concept; the one drawn before, where there is no other."""
        self._learn(cuis)
        others = [
            [name for name in self._allowed[cui] if name != first] or [first]
            for cui, first in zip(cuis, drawn, strict=True)
        ]
        return _choose(others, random)

    def draw_concepts(self, count: int, random: np.random.Generator) -> list[str]:
        """Draw distinct concepts, evenly from all of the graph that have several names."""
        if not count:
            return []
        every = self._concepts
        chosen = random.choice(len(every), min(count, len(every)), replace=False)
        cuis: list[str] = every[chosen].tolist()
        return cuis

    @cached_property
    def _concepts(self) -> NDArray[np.str_]:
        """Listed once they are needed: that takes seconds where there are millions."""
        return self._source.concepts_with_synonyms()

    def preferred(self, cuis: Sequence[str]) -> list[str]:
        """Return the preferred name of each concept."""
        self._learn(cuis)
        return [self._allowed[cui][0] for cui in cuis]

    def _learn(self, cuis: Sequence[str]) -> None:
        unknown = sorted({cui for cui in cuis if cui not in self._allowed})
        if len(self._allowed) + len(unknown) > REMEMBERED_CONCEPTS:
            self._allowed.clear()
            unknown = sorted(set(cuis))
        if not unknown:
            return
        names = self._source.names(unknown)
        for cui in unknown:
            if not names.get(cui):
                raise BaliError(f"concept {cui} has no name in the graph: run `bali verify`")
            preferred, *synonyms = names[cui]
            seen = [name for name in synonyms if not is_withheld(name, self._withheld)]
            self._allowed[cui] = (preferred, *seen)


def numbered(names: Sequence[str]) -> tuple[list[str], NDArray[np.int32]]:
    """Return the distinct names, and the index of each name among them."""
    rows: dict[str, int] = {}
    index = [rows.setdefault(name, len(rows)) for name in names]
    return list(rows), np.array(index, dtype=np.int32)


def _choose(choices: Sequence[Sequence[str]], random: np.random.Generator) -> list[str]:
    """Choose one of each, evenly."""
    sizes = np.fromiter(map(len, choices), dtype=np.int64, count=len(choices))
    at = (random.random(len(choices)) * sizes).astype(np.int64)
    return [names[i] for names, i in zip(choices, at.tolist(), strict=True)]
