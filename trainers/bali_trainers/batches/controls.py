"""A graph whose edges say nothing of their concepts: a control that must not help."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from operator import itemgetter
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bali_platform.subgraphs import Edge, Lookup, Neighbourhood, NeighbourhoodSource
from bali_trainers.batches.mentions import concept_label
from bali_trainers.batches.randomness import Purpose, generator

_AT_ONCE = 2000


class BrokenGraph:
    """A :class:`NeighbourhoodSource` whose concepts keep their names and lose their edges.

    ``"shuffled"``: a concept has the edges of another one of ``cuis``, always the same one, and no
    two of ``cuis`` have those of a third. ``"random"``: it has as many edges as before, each to a
    concept and by a relation drawn evenly. Both depend on ``seed``, and on nothing else.
    """

    def __init__(
        self,
        source: NeighbourhoodSource,
        cuis: Sequence[str],
        *,
        kind: Literal["shuffled", "random"],
        relation_types: Sequence[str],
        seed: int,
    ) -> None:
        self._source, self._relation_types, self._seed = source, relation_types, seed
        self._edges = {"shuffled": self._shuffled, "random": self._random}[kind]
        self._circle = sorted((self._place(cui), cui) for cui in _live(source, cuis))

    @property
    def graph_version(self) -> str:
        """The graph that names are from."""
        return self._source.graph_version

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Look up the real names."""
        return self._source.names(cuis)

    def concepts_with_synonyms(self) -> NDArray[np.str_]:
        """List the real ones."""
        return self._source.concepts_with_synonyms()

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        """Look up concepts, and give them other edges."""
        real = self._source.neighbourhoods(cuis)
        edges = self._edges({own.cui: own for own in real.found.values()})
        found = {asked: replace(own, edges=edges[own.cui]) for asked, own in real.found.items()}
        return Lookup(found, real.missing)

    def _shuffled(self, concepts: Mapping[str, Neighbourhood]) -> dict[str, tuple[Edge, ...]]:
        others = {cui: self._next(cui) for cui in concepts}
        found = self._source.neighbourhoods(sorted(set(others.values()))).found
        return {
            cui: tuple(edge for edge in found[other].edges if edge.neighbour != cui)
            for cui, other in others.items()
        }

    def _random(self, concepts: Mapping[str, Neighbourhood]) -> dict[str, tuple[Edge, ...]]:
        return {cui: self._draw(cui, len(own.edges)) for cui, own in concepts.items()}

    def _draw(self, cui: str, count: int) -> tuple[Edge, ...]:
        random = generator(self._seed, Purpose.CONTROL, epoch=concept_label(cui))
        columns = (
            random.integers(len(self._circle), size=count),
            random.integers(len(self._relation_types), size=count),
            random.integers(2, size=count),
        )
        drawn = {
            Edge(self._circle[place][1], self._relation_types[relation], bool(outgoing))
            for place, relation, outgoing in zip(*columns, strict=True)
        }
        edges = (edge for edge in drawn if edge.neighbour != cui)
        return tuple(sorted(edges, key=itemgetter(1, 2, 0)))

    def _next(self, cui: str) -> str:
        """Return who follows a concept when all stand in a circle, in an order of chance."""
        after = bisect_right(self._circle, (self._place(cui), cui))
        return self._circle[after % len(self._circle)][1]

    def _place(self, cui: str) -> bytes:
        return blake2b(f"{self._seed}|{cui}".encode(), digest_size=8).digest()


def _live(source: NeighbourhoodSource, cuis: Sequence[str]) -> set[str]:
    """Follow retired concepts to those that the graph has."""
    pieces = (cuis[first : first + _AT_ONCE] for first in range(0, len(cuis), _AT_ONCE))
    return {own.cui for piece in pieces for own in source.neighbourhoods(piece).found.values()}
