"""Many readers at once get what each would have got alone, for fewer statements."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import neo4j
import pytest

from bali_platform.api.coalescing import CoalescingGraph
from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings
from bali_platform.graph import Graph
from bali_platform.subgraphs import OneHop, Subgraph, explore

pytestmark = pytest.mark.services


class Counted(CoalescingGraph):
    """Counts the statements, and makes each take a moment, so that others arrive meanwhile."""

    statements = 0
    failures = 0

    def run(self, *arguments: Any) -> Any:
        self.statements += 1
        time.sleep(0.01)
        if self.failures:
            self.failures -= 1
            raise BaliError("the server is away")
        return super().run(*arguments)


@pytest.fixture
def many(services, graph: neo4j.Driver) -> Iterator[Counted]:
    auth = (services.neo4j_user, services.neo4j_password)
    driver = neo4j.GraphDatabase.driver(
        services.neo4j_uri, auth=auth, notifications_min_severity="OFF"
    )
    many = Counted(driver, services.neo4j_uri)
    assert many.version
    many.statements = 0
    yield many
    many.close()


@pytest.fixture
def alone(settings: Settings, graph: neo4j.Driver) -> Iterator[Graph]:
    with Graph.connect(settings) as client:
        yield client


def at_once(many: Counted, questions: list[OneHop]) -> list[Subgraph | BaseException]:
    async def ask() -> list[Subgraph | BaseException]:
        answers = (many.around(question) for question in questions)
        return await asyncio.gather(*answers, return_exceptions=True)

    return asyncio.run(ask())


def test_everyone_gets_their_own_answer(many: Counted, alone: Graph, facts) -> None:
    asked = [["C0000001"], ["C0000002", "C0000001"], [facts.hub], ["C0099999", "C0000003"],
             [facts.retired[0]], ["C0000005", "C0000005"]]  # fmt: skip
    questions = [OneHop(cuis, fanout, seed) for cuis in asked
                 for fanout, seed in ((10, 0), (2, 0), (2, 5))]  # fmt: skip
    expected = [explore(alone, q.cuis, fanout=q.fanout, seed=q.seed) for q in questions]
    assert at_once(many, questions) == expected
    assert many.statements < len(questions) / 4


def test_no_question_is_forgotten_between_two_batches(many: Counted) -> None:
    async def ask(number: int) -> int:
        for asked in range(20):
            await many.around(OneHop([f"C000000{1 + (number + asked) % 9}"]))
        return 20

    async def everyone() -> list[int]:
        async with asyncio.timeout(60):
            return await asyncio.gather(*map(ask, range(7)))

    assert asyncio.run(everyone()) == [20] * 7


def test_nobody_known_is_an_empty_answer_to_who_asked(many: Counted) -> None:
    nobody, somebody = at_once(many, [OneHop(["gone"]), OneHop(["C0000001"])])
    assert isinstance(nobody, Subgraph)
    assert (nobody.nodes, nobody.edges, nobody.missing) == ((), (), ("gone",))
    assert isinstance(somebody, Subgraph)
    assert somebody.missing == ()


def test_a_failure_reaches_those_who_asked_together_and_nobody_later(many: Counted) -> None:
    many.failures = 1
    answers = at_once(many, [OneHop(["C0000001"])] * 24)
    assert {str(a) for a in answers if isinstance(a, BaseException)} == {"the server is away"}
    (later,) = at_once(many, [OneHop(["C0000001"])])
    assert isinstance(later, Subgraph)


def test_who_goes_away_does_not_take_others_along(many: Counted) -> None:
    async def ask() -> Subgraph:
        first, second = (asyncio.ensure_future(many.around(OneHop(["C0000001"]))) for _ in "ab")
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(ask()).nodes


def test_large_questions_are_not_shared() -> None:
    assert CoalescingGraph.shares(OneHop(["C0000001"] * 64, fanout=64))
    assert not CoalescingGraph.shares(OneHop(["C0000001"] * 65))
    assert not CoalescingGraph.shares(OneHop(["C0000001"], fanout=65))
