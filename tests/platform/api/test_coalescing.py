"""Many readers at once get what each would have got alone, for fewer statements."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import neo4j
import pytest

from bali_platform.api.coalescing import CoalescingGraph
from bali_platform.errors import BaliError, UsageError
from bali_platform.graph import Graph
from bali_platform.services import Endpoints
from bali_platform.settings import Settings
from bali_platform.subgraphs.exploration import explore

pytestmark = pytest.mark.services


class Counted(CoalescingGraph):
    """Counts the transactions, and makes each take a moment, so that others arrive meanwhile."""

    transactions = 0
    failures = 0
    _counting = threading.Lock()

    def read(self, work: Any) -> Any:
        with self._counting:
            self.transactions += 1
            if self.failures:
                self.failures -= 1
                raise BaliError("the server is away")
        time.sleep(0.01)
        return super().read(work)


@pytest.fixture
def many(services: Endpoints, graph: neo4j.Driver) -> Iterator[Counted]:
    auth = (services.neo4j_user, services.neo4j_password)
    driver = neo4j.GraphDatabase.driver(
        services.neo4j_uri, auth=auth, notifications_min_severity="OFF"
    )
    many = Counted(driver, services.neo4j_uri)
    assert many.version
    many.transactions = 0
    yield many
    many.close()


@pytest.fixture
def alone(settings: Settings, graph: neo4j.Driver) -> Iterator[Graph]:
    with Graph.connect(settings) as client:
        yield client


def at_once(work: Any, arguments: list[Any]) -> list[Any]:
    with ThreadPoolExecutor(len(arguments)) as pool:
        return list(pool.map(work, arguments))


def test_everyone_gets_their_own_answer(many: Counted, alone: Graph, facts) -> None:
    questions = [["C0000001"], ["C0000002", "C0000001"], [facts.hub], ["C0099999", "C0000003"],
                 [facts.retired[0]], ["C0000005", "C0000005"]] * 4  # fmt: skip
    expected = [explore(alone, cuis, fanout=10) for cuis in questions]
    assert at_once(lambda cuis: explore(many, cuis, fanout=10), questions) == expected
    assert many.transactions < 3 * len(questions)


def test_rows_come_in_the_order_asked(many: Counted, facts) -> None:
    cuis = list(facts.names)[:20]
    questions = [cuis[n:] + cuis[:n] for n in range(12)]
    answers = at_once(lambda asked: list(many.resolve(asked)), questions)
    assert answers == questions


def test_filtered_questions_do_not_mix(many: Counted, alone: Graph) -> None:
    filters: list[dict[str, Any]] = [
        {},
        {"outgoing": True},
        {"outgoing": False},
        {"types": ["ISA"]},
    ]
    work = [filters[n % 4] for n in range(16)]
    expected = [explore(alone, ["C0000001"], **options) for options in work]
    assert at_once(lambda options: explore(many, ["C0000001"], **options), work) == expected


def test_a_failure_reaches_those_who_asked_together_and_nobody_later(many: Counted) -> None:
    def resolve(_: int) -> dict[str, str] | str:
        try:
            return many.resolve(["C0000001"])
        except BaliError as error:
            return str(error)

    many.failures = 2
    answers = at_once(resolve, list(range(24)))
    assert "the server is away" in answers
    assert {str(answer) for answer in answers} <= {
        "the server is away",
        "{'C0000001': 'C0000001'}",
    }
    assert resolve(0) == {"C0000001": "C0000001"}


def test_a_wrong_filter_harms_only_who_sent_it(many: Counted) -> None:
    with pytest.raises(UsageError):
        explore(many, ["C0000001"], types=["NOPE"])
    assert explore(many, ["C0000001"]).nodes
