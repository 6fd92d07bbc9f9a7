"""Questions that arrive while others are answered, answered together.

Many a question costs almost as much as fifty of its kind. So while some are answered, those that
arrive wait, and then go together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from anyio import to_thread

Question = TypeVar("Question")
Reply = TypeVar("Reply")


class Together(Generic[Question, Reply]):
    """Collects questions into batches; it belongs to one event loop.

    Args:
        answer: answers a batch in a thread, in its order; an exception among the answers is raised
            for who asked that question.
        at_once: batches under way.
        most: questions of a batch, so few that none waits long for the answers to others.
        apart_s: seconds from one batch to the next, for more questions to come together.
    """

    def __init__(
        self,
        answer: Callable[[list[Question]], Sequence[Reply | Exception]],
        *,
        at_once: int,
        most: int,
        apart_s: float = 0.0,
    ) -> None:
        self._answer, self._at_once, self._most, self._apart_s = answer, at_once, most, apart_s
        self._next = 0.0
        self._waiting: list[tuple[Question, asyncio.Future[Reply]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy = 0

    async def ask(self, question: Question) -> Reply:
        """Return the answer to one question."""
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, reply))
        if self._busy < self._at_once:
            self._busy += 1
            task = asyncio.create_task(self._answer_waiting())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await reply

    async def _answer_waiting(self) -> None:
        clock = asyncio.get_running_loop().time
        while self._waiting:
            await asyncio.sleep(max(0.0, self._next - clock()))
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            if batch:  # or another task has taken it meanwhile
                self._next = clock() + self._apart_s
                await self._answer_batch(batch)
        self._busy -= 1  # before anything else can happen, or a late question would wait for ever

    async def _answer_batch(self, batch: list[tuple[Question, asyncio.Future[Reply]]]) -> None:
        asked = [question for question, _ in batch]
        try:
            found = await to_thread.run_sync(self._answer, asked)
        except Exception as error:
            found = [error] * len(batch)
        for (_, reply), one in zip(batch, found, strict=True):
            if reply.done():
                continue  # whoever went away meanwhile has cancelled it
            if isinstance(one, Exception):
                reply.set_exception(one)
            else:
                reply.set_result(one)
