"""Look-ups, search, paths and errors of the client on the real server."""

from __future__ import annotations

import multiprocessing
from collections import deque

import neo4j
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from bali.graph import Graph
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings
from bali_platform.services import neo4j_login

pytestmark = pytest.mark.services

HUB, LONELY = "C0000001", "C0000400"
SERVER = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def test_release(graph: Graph, seeded) -> None:
    assert graph.version == seeded.version
    assert graph.relation_types == ("CHD", "ISA", "MAY_TREAT", "PART_OF", "RO")


def test_concept(graph: Graph, seeded) -> None:
    concept = graph.concept("C0000010")
    assert concept.names == seeded.names["C0000010"]
    assert concept.name == "Myocardial infarction"
    assert concept.definition == "Necrosis of the heart muscle."
    assert concept.groups == (seeded.groups["C0000010"],)
    assert concept.suppressed is False
    assert graph.concept(" c0000010 ") == concept
    assert graph.concept("C9000001") == concept


def test_unknown_concept(graph: Graph) -> None:
    with pytest.raises(BaliError, match="no concept 'C0000000' in this graph"):
        graph.concept("C0000000")


def test_names_stream_in_order(graph: Graph, seeded) -> None:
    assert list(graph.names()) == sorted(seeded.names.items())


@pytest.mark.parametrize(
    ("text", "cui"),
    [
        ("C0000010", "C0000010"),
        ("c9000001", "C0000010"),
        ("MSH:D:C0000033", "C0000033"),
        ("msh:D:C0000033", "C0000033"),
        ("heart attack", "C0000010"),
        ("HEART  attack", "C0000010"),
        ("heart att", "C0000010"),
        ("hart atack", "C0000010"),
        ("Cardiophobia", "C0000011"),
        ("心肌梗塞", "C0000010"),
        ("myocardial banana", "C0000010"),
        ("1,2-dichloro", "C0000013"),
        ("dutchmen's oil", "C0000013"),
    ],
)
def test_search_finds(graph: Graph, text: str, cui: str) -> None:
    assert graph.search(text)[0].cui == cui


def test_search_says_what_matched(graph: Graph) -> None:
    hit = graph.search("heart attack")[0]
    assert (hit.name, hit.matched) == ("Myocardial infarction", "Heart attack")


def test_search_finds_nothing(graph: Graph) -> None:
    for text in ("", "  ", "***", "zzzzqqqq", ":", "MSH:none"):
        assert graph.search(text) == []


@SERVER
@given(text=st.text(max_size=40) | st.text(alphabet='+-&|!(){}[]^"~*?:\\/ ANDORheart', max_size=40))
def test_search_takes_any_text(graph: Graph, text: str) -> None:
    assert len(graph.search(text, limit=3)) <= 3


def test_neighbours_page_through_everything(graph: Graph, seeded) -> None:
    pages = [graph.neighbours(HUB, limit=200, skip=skip) for skip in range(0, 2000, 200)]
    rows = [row for page in pages for row in page]
    assert rows == sorted(rows, key=lambda row: (row.type, row.outgoing, row.cui))
    entries = [f"{'>' if row.outgoing else '<'}{row.type}|{row.cui}" for row in rows]
    assert sorted(entries) == sorted(seeded.incident[HUB])


def test_neighbours_filtered(graph: Graph, seeded) -> None:
    rows = graph.neighbours(
        HUB, types=["isa"], sources=["GO"], groups=["Anatomy"], outgoing=False, limit=1000
    )
    assert {row.cui for row in rows} == {
        fact.source
        for fact in seeded.facts
        if (fact.type, fact.target) == ("ISA", HUB)
        and "GO" in fact.sabs
        and seeded.groups[fact.source] == "Anatomy"
    }


@SERVER
@given(
    ends=st.lists(st.integers(1, 400), min_size=2, max_size=2),
    types=st.none() | st.sets(st.sampled_from(["ISA", "CHD", "RO"]), min_size=1),
    max_length=st.integers(1, 8),
)
def test_paths_are_the_shortest(graph: Graph, seeded, ends, types, max_length: int) -> None:
    source, target = (f"C{number:07d}" for number in ends)
    links = [fact for fact in seeded.facts if types is None or fact.type in types]
    distance = _distance(links, source, target)
    paths = graph.paths(source, target, types=types, max_length=max_length, every=True, limit=1000)
    if distance is None or distance > max_length:
        assert paths == []
        return
    one = graph.paths(source, target, types=types, max_length=max_length)
    assert len(one) == 1
    known = {tuple(fact[:3]) for fact in links}
    for path in [*paths, *one]:
        assert len(path.links) == distance
        assert (path.nodes[0].cui, path.nodes[-1].cui) == (source, target)
        for link, before, after in zip(path.links, path.nodes, path.nodes[1:], strict=False):
            assert (link.source, link.type, link.target) in known
            assert {link.source, link.target} == {before.cui, after.cui}
    assert len(set(paths)) == len(paths)
    assert len(paths) == min(1000, _count(links, source, target, distance))


def _adjacency(links) -> dict[str, list[str]]:
    around: dict[str, list[str]] = {}
    for fact in links:
        around.setdefault(fact.source, []).append(fact.target)
        around.setdefault(fact.target, []).append(fact.source)
    return around


def _distance(links, source: str, target: str) -> int | None:
    around, seen, queue = _adjacency(links), {source: 0}, deque([source])
    while queue:
        here = queue.popleft()
        for there in around.get(here, []):
            if there not in seen:
                seen[there] = seen[here] + 1
                queue.append(there)
    return seen.get(target)


def _count(links, source: str, target: str, length: int) -> int:
    around, walks = _adjacency(links), {source: 1}
    for _ in range(length):
        step: dict[str, int] = {}
        for here, count in walks.items():
            for there in around.get(here, []):
                step[there] = step.get(there, 0) + count
        walks = step
    return walks[target]


def test_path_limits(graph: Graph) -> None:
    assert len(graph.paths("C0000050", "C0000060", every=True, limit=1)) == 1
    assert graph.paths(LONELY, HUB) == []
    for length in (0, 9, -1):
        with pytest.raises(UsageError, match="1 to 8"):
            graph.paths(HUB, LONELY, max_length=length)


@pytest.mark.parametrize("limit", [0, -1])
def test_limits_are_positive(graph: Graph, limit: int) -> None:
    for ask in (graph.search, graph.neighbours):
        with pytest.raises(UsageError, match="at least 1"):
            ask(HUB, limit=limit)


INJECTIONS = (
    "C1'}) DETACH DELETE n //",
    '"}) MATCH (n) DETACH DELETE n //',
    "`) MATCH (n) DETACH DELETE n //",
    "\\u0027}) DETACH DELETE n //",
    "*) OR name:* //",
    "$cui",
)


@pytest.mark.parametrize("text", INJECTIONS)
def test_injections_do_nothing(graph: Graph, driver: neo4j.Driver, text: str) -> None:
    count = "MATCH (n) OPTIONAL MATCH (n)-[r]->() RETURN count(DISTINCT n) AS n, count(r) AS r"
    before = driver.execute_query(count).records
    graph.search(text)
    graph.neighbours(HUB, sources=[text], groups=[text])
    assert graph.resolve([text]) == {}
    attempts = [
        lambda: graph.concept(text),
        lambda: graph.neighbours(text),
        lambda: graph.neighbours(HUB, types=[text]),
        lambda: graph.paths(text, HUB),
        lambda: graph.paths(HUB, LONELY, types=[text]),
        lambda: graph.query(text),
        lambda: graph.subgraph(text),
        lambda: graph.subgraph(HUB, types=[text]),
        lambda: graph.subgraph(HUB, groups=[text]),
    ]
    for attempt in attempts:
        with pytest.raises(BaliError):
            attempt()
    assert graph.subgraph(HUB, sources=[text]).edges == ()
    assert driver.execute_query(count).records == before


def test_records_become_tables(graph: Graph) -> None:
    rows = graph.neighbours(HUB, limit=7)
    table = rows.to_pandas()
    assert list(table.cui) == [row.cui for row in rows]
    assert "<table" in rows._repr_html_()


def test_server_that_is_down() -> None:
    nowhere = Settings(neo4j_uri="bolt://127.0.0.1:1", redis_url=SecretStr("redis://127.0.0.1:1"))
    with pytest.raises(BaliError, match=r"cannot reach Neo4j at bolt://127.0.0.1:1: run `bali up`"):
        Graph.connect(nowhere)


def test_a_database_that_is_not_there(settings: Settings) -> None:
    at = neo4j_login(settings)
    elsewhere = Settings(
        neo4j_uri=at.neo4j_uri, neo4j_password=SecretStr(at.neo4j_password), neo4j_database="nosuch"
    )
    with (
        Graph.connect(elsewhere) as graph,
        pytest.raises(BaliError, match=r"no such database.*check BALI_NEO4J_DATABASE"),
    ):
        graph.version  # noqa: B018
    with pytest.raises(UsageError, match="BALI_NEO4J_URI"):
        Graph.connect(settings.model_copy(update={"neo4j_database": "nosuch"}))


def test_empty_graph(driver: neo4j.Driver, graph: Graph, settings: Settings) -> None:
    driver.execute_query("MATCH (r:Release) SET r:Hidden REMOVE r:Release")
    try:
        with (
            Graph.connect(settings) as empty,
            pytest.raises(BaliError, match="no graph loaded: run `bali load`"),
        ):
            empty.version  # noqa: B018
    finally:
        driver.execute_query("MATCH (r:Hidden) SET r:Release REMOVE r:Hidden")


def test_fork_is_refused(graph: Graph) -> None:
    def child(pipe) -> None:
        try:
            graph.concept(HUB)
        except BaliError as error:
            pipe.send(str(error))

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=child, args=(there,))
    process.start()
    assert here.poll(30)
    assert "before a fork" in here.recv()
    process.join()
    assert graph.concept(HUB).cui == HUB
