"""Neighbourhoods from the real server against the oracle, straight and through the caches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import neo4j
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from bali_platform.base.settings import Settings
from bali_platform.graph import Graph
from bali_platform.subgraphs import (
    CachedNeighbourhoods,
    Edge,
    GraphChangedError,
    GraphNeighbourhoods,
    Lookup,
    RedisCache,
    neighbourhoods,
)

pytestmark = pytest.mark.services

HUB, BARE_HUB, LONELY = "C0000001", "C0000002", "C0000400"


class Counting:
    """A source that counts what reaches it."""

    def __init__(self, source: GraphNeighbourhoods) -> None:
        self.source, self.graph_version = source, source.graph_version
        self.asked: Counter[str] = Counter()

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        self.asked.update(cuis)
        return self.source.neighbourhoods(cuis)

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        self.asked.update(cuis)
        return self.source.names(cuis)


def test_every_neighbourhood_matches_the_oracle(graph: Graph, seeded) -> None:
    lookup = GraphNeighbourhoods(graph).neighbourhoods(list(seeded.names))
    assert lookup.missing == ()
    for cui, names in seeded.names.items():
        answer = lookup.found[cui]
        assert (answer.cui, answer.names) == (cui, names[:32])
        assert set(answer.edges) == seeded.edges(cui)
        assert list(answer.edges) == sorted(
            answer.edges, key=lambda e: (e.type, e.outgoing, e.neighbour)
        )


def test_thousands_are_answered_in_the_order_asked(graph: Graph) -> None:
    unknown = [f"X{number:07d}" for number in range(1500)]
    source = GraphNeighbourhoods(graph)
    asked = [HUB, *unknown, BARE_HUB, LONELY]
    lookup = source.neighbourhoods(asked)
    assert lookup.missing == tuple(unknown)
    assert lookup.found == source.neighbourhoods([HUB, BARE_HUB, LONELY]).found
    assert list(lookup.found) == list(source.names(asked)) == [HUB, BARE_HUB, LONELY]


def test_hubs_show_64_edges_with_and_without_the_loaders_choice(graph: Graph, seeded) -> None:
    found = GraphNeighbourhoods(graph).neighbourhoods([HUB, BARE_HUB]).found
    assert min(len(seeded.incident[hub]) for hub in (HUB, BARE_HUB)) > 64
    assert [len(found[hub].edges) for hub in (HUB, BARE_HUB)] == [64, 64]


def test_retired_cuis_are_followed_and_unknown_ones_named(graph: Graph) -> None:
    source = GraphNeighbourhoods(graph)
    asked = ["C9000001", "no such", "C9000002", "C0000020", "", "no such"]
    lookup = source.neighbourhoods(asked)
    assert {key: value.cui for key, value in lookup.found.items()} == {
        "C9000001": "C0000010",
        "C9000002": "C0000020",
        "C0000020": "C0000020",
    }
    assert lookup.missing == ("no such", "")
    assert source.names(asked).keys() == lookup.found.keys()


def test_a_concept_without_edges_is_found(graph: Graph) -> None:
    assert GraphNeighbourhoods(graph).neighbourhoods([LONELY]).found[LONELY].edges == ()


def test_asking_for_nothing(graph: Graph) -> None:
    source = GraphNeighbourhoods(graph)
    assert source.neighbourhoods([]) == Lookup({}, ())
    assert source.names([]) == {}


def test_names_are_at_most_32_best_first(graph: Graph, seeded) -> None:
    names = GraphNeighbourhoods(graph).names(["C0000012"])["C0000012"]
    assert names == seeded.names["C0000012"][:32]


def test_concepts_with_synonyms_are_those_with_several_names(graph: Graph, seeded) -> None:
    listed = GraphNeighbourhoods(graph).concepts_with_synonyms().tolist()
    assert listed == sorted(cui for cui, names in seeded.names.items() if len(names) > 1)
    assert 0 < len(listed) < len(seeded.names)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_cached_answers_equal_the_sources(data, graph: Graph, redis_client: Redis, seeded) -> None:
    source = GraphNeighbourhoods(graph)
    cached = CachedNeighbourhoods(source, RedisCache(redis_client, 2**24), local=5)
    known = [*seeded.names, *seeded.retired, "no such", "C9999999"]
    for cuis in data.draw(st.lists(st.lists(st.sampled_from(known), max_size=30), max_size=5)):
        assert cached.neighbourhoods(cuis) == source.neighbourhoods(cuis)
        assert cached.names(cuis) == source.names(cuis)


def test_second_process_is_served_by_redis_alone(graph: Graph, redis_client: Redis, seeded) -> None:
    cuis = [*seeded.names, "no such", "C9000001"]
    first = Counting(GraphNeighbourhoods(graph))
    expected = CachedNeighbourhoods(first, RedisCache(redis_client, 2**24)).neighbourhoods(cuis)
    assert first.asked.keys() == set(cuis)

    second = Counting(GraphNeighbourhoods(graph))
    cached = CachedNeighbourhoods(second, RedisCache(redis_client, 2**24))
    assert cached.neighbourhoods(cuis) == expected
    assert cached.neighbourhoods(cuis) == expected
    assert not second.asked


def test_a_new_graph_is_never_served_old_neighbourhoods(
    driver: neo4j.Driver, graph: Graph, redis_client: Redis, settings: Settings
) -> None:
    old = neighbourhoods(settings)
    before = old.neighbourhoods([LONELY]).found[LONELY]
    assert before.edges == ()
    driver.execute_query("MATCH (r:Release) SET r.graph_version = 'next'")
    driver.execute_query(
        "MATCH (a:Concept {cui: $a}), (b:Concept {cui: $b}) CREATE (a)-[:ISA {new: true}]->(b)",
        a=LONELY,
        b=HUB,
    )
    try:
        assert old.neighbourhoods([LONELY]).found[LONELY] == before
        with pytest.raises(GraphChangedError, match="no longer live"):
            old.neighbourhoods([BARE_HUB])
        with pytest.raises(GraphChangedError):
            old.names([BARE_HUB])
        new = neighbourhoods(settings).neighbourhoods([LONELY]).found[LONELY]
        assert new.edges == (Edge(HUB, "ISA", True),)
    finally:
        driver.execute_query("MATCH ()-[r:ISA {new: true}]->() DELETE r")
        driver.execute_query("MATCH (r:Release) SET r.graph_version = $old", old=old.graph_version)


def test_hubs_are_not_scanned(driver: neo4j.Driver, graph: Graph) -> None:
    from bali_platform.graph.statements import statement

    def database_hits(cui: str) -> int:
        parameters = {"chunks": [[cui]], "graph_version": graph.version, "max_names": 32}
        with driver.session() as session:
            result = session.run("PROFILE " + statement("neighbourhoods"), parameters)
            profile = result.consume().profile
        assert profile is not None
        return _hits(profile)

    assert database_hits(HUB) < 30 < 300 < database_hits(BARE_HUB)


def _hits(plan: dict) -> int:
    return plan.get("dbHits", 0) + sum(_hits(child) for child in plan.get("children", []))
