"""A graph for many readers at once: what they ask at the same moment travels in one round trip.

A statement about one CUI costs Neo4j, the driver and a change of threads almost as much as one
about fifty. So while look-ups are under way, those that arrive wait, and then go together.
"""

from __future__ import annotations

import asyncio

import neo4j
from anyio import to_thread

from bali_platform.graph import Graph
from bali_platform.subgraphs import MAX_EDGES, OneHop, Subgraph, explore_each

MAX_SHARED = 64
"""CUIs of a question that others may share; a larger one would make them wait."""

MAX_TOGETHER = 8
"""Questions of a batch, so few that none waits long for the answers to others to be made."""

AT_ONCE = 3  # so that Neo4j works on some batches while Python makes answers of another


class CoalescingGraph(Graph):
    """A graph whose statements end after some seconds, and whose look-ups travel together.

    :meth:`around` belongs to one event loop; everything else, to any thread.
    """

    statement_limit_s = 8.0

    def __init__(self, driver: neo4j.Driver, uri: str) -> None:
        super().__init__(driver, uri)
        self._waiting: list[tuple[OneHop, asyncio.Future[Subgraph]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0

    @staticmethod
    def shares(question: OneHop) -> bool:
        """Whether :meth:`around` answers this question."""
        return len(question.cuis) <= MAX_SHARED and question.fanout <= MAX_EDGES

    async def around(self, question: OneHop) -> Subgraph:
        """Answer as :func:`bali_platform.subgraphs.explore_each`, together with who else asks."""
        answer: asyncio.Future[Subgraph] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._busy < AT_ONCE:
            self._busy += 1
            task = asyncio.create_task(self._answer_waiting())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _answer_waiting(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MAX_TOGETHER], self._waiting[MAX_TOGETHER:]
            await self._answer_batch(batch)
        self._busy -= 1  # before anything else can happen, or a late question would wait for ever

    async def _answer_batch(self, batch: list[tuple[OneHop, asyncio.Future[Subgraph]]]) -> None:
        # Whoever went away meanwhile has cancelled its future.
        try:
            found = await to_thread.run_sync(explore_each, self, [asked for asked, _ in batch])
        except Exception as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for (_, answer), subgraph in zip(batch, found, strict=True):
                if not answer.done():
                    answer.set_result(subgraph)
