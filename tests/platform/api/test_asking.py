"""Questions about one code that arrive together are answered together, each as if it were alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from bali_platform.api.asking import Desk, questions
from bali_platform.api.together import Together
from bali_platform.base.errors import BaliError, NotFoundError
from bali_platform.terminology import Terminology


class Verb:
    """Multiplies numbers, once it is let go; keeps what it was asked."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, list[int]]] = []
        self.go = threading.Event()

    def times(self, terms: Terminology, asked: list[int], by: int) -> list[int | BaliError]:
        assert self.go.wait(10)
        self.batches.append((by, asked))
        if by == 13:
            raise BaliError("the server is away")
        return [by * n if n else NotFoundError("nothing") for n in asked]


@pytest.fixture
def verb() -> Verb:
    return Verb()


def ask(work: Callable[[Desk], Any]) -> Any:
    async def within() -> Any:
        return await work(Desk(cast(Terminology, object()), questions()))

    return asyncio.run(within())


def test_single_questions_of_a_kind_share_a_batch(verb: Verb) -> None:
    async def crowd(desk: Desk) -> list[int]:
        asked = [desk.one(verb.times, n, 2 + n % 2) for n in range(1, 61)]
        asyncio.get_running_loop().call_later(0.05, verb.go.set)
        return await asyncio.gather(*asked)

    assert ask(crowd) == [n * (2 + n % 2) for n in range(1, 61)]
    assert len(verb.batches) < 15
    assert all({2 + n % 2 for n in numbers} == {by} for by, numbers in verb.batches)
    assert max(len(numbers) for _, numbers in verb.batches) <= 20


def test_questions_come_together_while_a_batch_has_just_left() -> None:
    batches: list[list[int]] = []

    def doubled(asked: list[int]) -> list[int]:
        batches.append(asked)
        return [2 * n for n in asked]

    async def stream() -> list[int]:
        together = Together(doubled, at_once=2, most=20, apart_s=0.5)
        answered = [await together.ask(0)]
        late = [asyncio.ensure_future(together.ask(n)) for n in (1, 2)]
        await asyncio.sleep(0.01)
        return answered + await asyncio.gather(*late, together.ask(3))

    assert asyncio.run(stream()) == [0, 2, 4, 6]
    assert batches == [[0], [1, 2, 3]]


def test_an_error_reaches_only_who_asked_for_it(verb: Verb) -> None:
    async def crowd(desk: Desk) -> list[Any]:
        kinds = [(1, 2), (0, 2), (1, 13), (3, 2)]
        verb.go.set()
        asked = [desk.one(verb.times, n, by) for n, by in kinds]
        return await asyncio.gather(*asked, return_exceptions=True)

    first, unknown, away, last = ask(crowd)
    assert (first, last) == (2, 6)
    assert str(unknown) == "nothing"
    assert str(away) == "the server is away"


def test_many_items_go_alone_in_order(verb: Verb) -> None:
    verb.go.set()
    assert ask(lambda desk: desk.each(verb.times, [3, 1, 2], 2)) == [6, 2, 4]
    with pytest.raises(NotFoundError):
        ask(lambda desk: desk.each(verb.times, [3, 0], 2))
    assert verb.batches == [(2, [3, 1, 2]), (2, [3, 0])]
