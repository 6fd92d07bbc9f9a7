"""The graph as a user has it: the client, and what is built upon it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from bali_platform import graph
from bali_platform.graph import Records, SearchHit
from bali_platform.subgraphs import Subgraph, explore
from bali_platform.terminology.finding import Findings


class Graph(graph.Graph):
    """A loaded UMLS graph, with its search and its subgraphs."""

    def search(self, text: str, limit: int = 10, **filters: Collection[str]) -> Records[SearchHit]:
        """Find concepts by CUI, by code as people write it, or by words of any of their names.

        As :meth:`bali_platform.terminology.Terminology.find`, which also says what was tried.
        """
        return Findings(self).find(text, limit, **filters).hits

    def subgraph(self, *cuis: str, **options: Any) -> Subgraph:
        """Return what surrounds ``cuis``, as :func:`bali_platform.subgraphs.explore` does."""
        return explore(self, cuis, **options)
