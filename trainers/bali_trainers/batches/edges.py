"""Edges that training must not see, and sources of neighbourhoods that do not show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bali_platform.graph.names import in_share
from bali_platform.subgraphs import Edge, Lookup, NeighbourhoodSource


class SomeEdges:
    """Neighbourhoods with only those edges for which ``keep(cui, edge)`` holds."""

    def __init__(self, source: NeighbourhoodSource, keep: Callable[[str, Edge], bool]) -> None:
        self._source, self._keep = source, keep
        self.graph_version = source.graph_version
        self.names = source.names

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        """Look up CUIs; see :class:`~bali_platform.subgraphs.NeighbourhoodSource`."""
        lookup = self._source.neighbourhoods(cuis)
        found = {
            asked: replace(
                one, edges=tuple(edge for edge in one.edges if self._keep(one.cui, edge))
            )
            for asked, one in lookup.found.items()
        }
        return Lookup(found, lookup.missing)

    def concepts_with_synonyms(self) -> NDArray[np.str_]:
        """List those of the source."""
        return self._source.concepts_with_synonyms()


def is_withheld_edge(one: str, other: str, fraction: float) -> bool:
    """Tell whether what relates two concepts belongs to the ``fraction`` kept from training.

    The choice hashes the pair of CUIs alone: all edges between two concepts, of whatever type and
    direction, are withheld together, since one of them would give the others away.

    >>> is_withheld_edge("C1", "C2", 0.5) == is_withheld_edge("C2", "C1", 0.5)
    True
    """
    return in_share(f"{min(one, other)}-{max(one, other)}", fraction)


def without_withheld(source: NeighbourhoodSource, fraction: float) -> NeighbourhoodSource:
    """Return ``source`` as training sees it: without the withheld edges."""
    if not fraction:
        return source
    return SomeEdges(source, lambda cui, edge: not is_withheld_edge(cui, edge.neighbour, fraction))
