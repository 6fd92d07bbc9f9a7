"""A graph for many readers at once: what they ask at the same moment travels in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import neo4j

from bali_platform.api.together import Shared, Together
from bali_platform.graph import Graph
from bali_platform.subgraphs import MAX_EDGES, OneHop, Subgraph, explore_each

Asked = tuple[str, dict[str, Any]]

MAX_SHARED = 64
"""Ids of a question that others may share, and small questions that share one statement."""

MAX_TOGETHER = 8
SHARED_AT_ONCE = 2
AT_ONCE = 3  # so that Neo4j works on some batches while Python makes answers of another


class CoalescingGraph(Graph):
    """A graph whose statements end after some seconds, and whose look-ups travel together.

    :meth:`around` belongs to one event loop; everything else, to any thread.
    """

    statement_limit_s = 8.0

    def __init__(self, driver: neo4j.Driver, uri: str) -> None:
        super().__init__(driver, uri)
        self._together = Together(_explore, at_once=AT_ONCE, most=MAX_TOGETHER)
        self._shared = Shared(self._ask, at_once=SHARED_AT_ONCE, most=MAX_SHARED)

    @staticmethod
    def shares(question: OneHop) -> bool:
        """Whether :meth:`around` answers this question."""
        return len(question.cuis) <= MAX_SHARED and question.fanout <= MAX_EDGES

    def rows(self, name: str, asked: Sequence[Any], **parameters: Any) -> list[list[Any]]:
        """Return a statement's rows, read together with what others ask of other ids."""
        if not 0 < len(asked) <= MAX_SHARED:
            return super().rows(name, asked, **parameters)
        return self._shared.ask((name, parameters), asked)

    def _ask(self, same: Asked, asked: list[Sequence[Any]]) -> list[list[list[Any]]]:
        name, parameters = same
        chunks = [list(ids) for ids in asked]
        return self.run(name, {**parameters, "chunks": chunks}, _rows)

    async def around(self, question: OneHop) -> Subgraph:
        """Answer as :func:`bali_platform.subgraphs.explore_each`, together with who else asks."""
        return await self._together.ask((self, question))


def _rows(found: neo4j.Result) -> list[list[list[Any]]]:
    return [record["rows"] for record in found]


def _explore(asked: list[tuple[Graph, OneHop]]) -> list[Subgraph]:
    """Answer questions to one graph, which comes with each so that it closes after the last."""
    return explore_each(asked[0][0], [question for _, question in asked])
