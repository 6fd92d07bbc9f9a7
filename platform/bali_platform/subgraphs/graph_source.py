"""Neighbourhoods straight from Neo4j."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bali_platform.graph.client import Graph
from bali_platform.subgraphs.collector import collector_paused
from bali_platform.subgraphs.neighbourhood import (
    MAX_NAMES,
    GraphChangedError,
    Lookup,
    Neighbourhood,
    WrittenEdges,
    choose_edges,
)

T = TypeVar("T")


class GraphNeighbourhoods:
    """Thousands of neighbourhoods in one round trip; hubs cost no more than other concepts."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self.graph_version = graph.version

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        """Look up every CUI; raises :class:`GraphChangedError` once another graph is live."""

        def parse(
            asked: str, cui: str | None, names: list[str], entries: list[str]
        ) -> tuple[str, Neighbourhood | None]:
            if cui is None:
                return asked, None
            chosen = choose_edges(self.graph_version, cui, entries)
            return asked, Neighbourhood(cui, tuple(names), WrittenEdges(chosen))

        answers = self._map("neighbourhoods", cuis, parse)
        found = {asked: answer for asked, answer in answers if answer is not None}
        return Lookup(found, tuple(asked for asked, answer in answers if answer is None))

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Look up the names of every known CUI; raises :class:`GraphChangedError` likewise."""
        rows = self._map("names", cuis, lambda asked, names: (asked, names))
        return {asked: tuple(names) for asked, names in rows if names is not None}

    def concepts_with_synonyms(self) -> NDArray[np.str_]:
        """List concepts with several names; some ten seconds where there are millions."""
        cuis = [row["cui"] for row in self._graph.stream("concepts_with_synonyms")]
        return np.array(cuis, dtype=np.str_)

    def _map(self, statement: str, cuis: Sequence[str], parse: Callable[..., T]) -> list[T]:
        distinct = list(dict.fromkeys(cuis))
        with collector_paused():
            rows = self._graph.map(
                statement,
                parse,
                distinct,
                graph_version=self.graph_version,
                max_names=MAX_NAMES,
            )
        if len(rows) != len(distinct):
            raise GraphChangedError(
                f"graph {self.graph_version} is no longer live: start again to use the new one"
            )
        return rows
