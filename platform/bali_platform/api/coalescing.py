"""A graph for many readers at once: what they ask at the same moment travels in one round trip."""

from __future__ import annotations

import neo4j

from bali_platform.api.together import Together
from bali_platform.graph import Graph
from bali_platform.subgraphs import MAX_EDGES, OneHop, Subgraph, explore_each

MAX_SHARED = 64
"""Ids of a question that others may share."""

MAX_TOGETHER = 8
AT_ONCE = 3  # so that Neo4j works on some batches while Python makes answers of another


class CoalescingGraph(Graph):
    """A graph whose statements end after some seconds, and whose one-hop questions travel together.

    :meth:`around` belongs to one event loop; everything else, to any thread.
    """

    statement_limit_s = 8.0

    def __init__(self, driver: neo4j.Driver, uri: str) -> None:
        super().__init__(driver, uri)
        self._together = Together(_explore, at_once=AT_ONCE, most=MAX_TOGETHER)

    @staticmethod
    def shares(question: OneHop) -> bool:
        """Whether :meth:`around` answers this question."""
        return len(question.cuis) <= MAX_SHARED and question.fanout <= MAX_EDGES

    async def around(self, question: OneHop) -> Subgraph:
        """Answer as :func:`bali_platform.subgraphs.explore_each`, together with who else asks."""
        return await self._together.ask((self, question))


def _explore(asked: list[tuple[Graph, OneHop]]) -> list[Subgraph]:
    """Answer questions to one graph, which comes with each so that it closes after the last."""
    return explore_each(asked[0][0], [question for _, question in asked])
