"""Neighbourhoods straight from Neo4j."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bali_platform.graph.client import Graph
from bali_platform.subgraphs.collector import collector_paused
from bali_platform.subgraphs.neighbourhood import (
    MAX_NAMES,
    GraphChangedError,
    Lookup,
    Neighbourhood,
    choose_edges,
    parse_edges,
)

__all__ = ["GraphNeighbourhoods"]


class GraphNeighbourhoods:
    """Thousands of neighbourhoods in one round trip; hubs cost no more than other concepts."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.graph_version = graph.version

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        """Look up every CUI; raises :class:`GraphChangedError` once another graph is live."""
        found: dict[str, Neighbourhood] = {}
        missing = []
        with collector_paused():
            for asked, cui, names, entries in self._rows("neighbourhoods", cuis):
                if cui is None:
                    missing.append(asked)
                else:
                    chosen = choose_edges(self.graph_version, cui, entries)
                    found[asked] = Neighbourhood(cui, tuple(names), parse_edges(chosen))
        return Lookup(found, tuple(missing))

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Look up the names of every known CUI; raises :class:`GraphChangedError` likewise."""
        rows = self._rows("names", cuis)
        return {asked: tuple(names) for asked, names in rows if names is not None}

    def _rows(self, statement: str, cuis: Sequence[str]) -> list[list[Any]]:
        distinct = list(dict.fromkeys(cuis))
        rows = self._graph.rows(
            statement,
            cuis=distinct,
            graph_version=self.graph_version,
            max_names=MAX_NAMES,
        )
        if len(rows) != len(distinct):
            raise GraphChangedError(
                f"graph {self.graph_version} is no longer live: start again to use the new one"
            )
        return rows
