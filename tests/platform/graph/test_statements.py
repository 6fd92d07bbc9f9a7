"""Every shipped statement is planned, and run, on the real server."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import neo4j
import pytest

from bali_platform.base.errors import UsageError
from bali_platform.graph import Graph
from bali_platform.graph.cypher import run_cypher
from bali_platform.graph.statements import favourite, favourites, statement, statement_names

HUB, BARE_HUB, RETIRED = "C0000001", "C0000002", "C9000001"
FAVOURITES: dict[str, dict[str, Any]] = {
    "ancestors": {"cui": "C0000050"},
    "crosswalk": {"source": "MSH", "code": "D:C0000001", "target": "MSH"},
    "descendants": {"cui": "C0000050"},
    "find-by-code": {"source": "MSH", "code": "D:C0000001"},
    "find-by-name": {"text": "heart"},
    "names": {"cui": HUB},
    "near-not-connected": {"cui": "C0000050"},
    "neighbourhood": {"cui": HUB},
    "paths": {"from": HUB, "to": "C0000050"},
    "release": {},
    "retired": {"cui": RETIRED},
    "semantic-groups": {},
    "similar": {"cui": "C0000050"},
}
STATEMENTS: dict[str, dict[str, Any]] = {
    "all_names": {},
    "all_shortest_paths": {
        "source": HUB, "target": "C0000050", "types": None, "max_length": 6, "limit": 5,
    },
    "code_all": {"source": "MSH"},
    "code_atoms": {"chunks": [[HUB]], "sources": None},
    "code_concepts": {"codes": [["MSH", "D:C0000001"]]},
    "code_count": {"source": "MSH"},
    "code_definitions": {"cui": "C0000010"},
    "code_find": {"chunks": [[["MSH", "D:C0000001"]]]},
    "code_near": {"sources": ["MSH"], "start": "D:C00"},
    "code_of_concepts": {"chunks": [[HUB]], "sources": ["MSH"]},
    "code_positions": {"cui": "C0000050"},
    "code_sources_used": {},
    "concept_facts": {},
    "concepts": {"cuis": [HUB]},
    "concepts_with_synonyms": {},
    "definitions": {},
    "expand": {
        "chunks": [[HUB, BARE_HUB], [RETIRED]], "whole": False, "types": ["ISA"],
        "sources": ["MSH"], "groups": ["Disorder"], "outgoing": None,
    },
    "hierarchy_relations_beside": {"chunks": [[HUB]], "source": "MSH"},
    "hierarchy_relations_down": {"chunks": [[HUB]], "source": "MSH"},
    "hierarchy_relations_up": {"chunks": [[HUB, "C0000050"]], "source": "MSH"},
    "history": {"cuis": [HUB, RETIRED]},
    "induced": {"cuis": [HUB, BARE_HUB, *(f"C{n:07d}" for n in range(3, 99))]},
    "map_count": {},
    "names": {"chunks": [[HUB, RETIRED]], "graph_version": "graph-7", "max_names": 32},
    "neighbourhoods": {"chunks": [[HUB, RETIRED]], "graph_version": "graph-7", "max_names": 32},
    "neighbours": {
        "cui": HUB, "types": None, "sources": None, "groups": None, "outgoing": None,
        "skip": 0, "limit": 5,
    },
    "nodes": {"cuis": [HUB]},
    "relation_counts": {},
    "release": {},
    "resolve": {"cuis": [HUB, RETIRED]},
    "search_names": {
        "query": "heart", "limit": 5, "most": 5, "types": None, "groups": None, "sources": None,
        "languages": None,
    },
    "shortest_path": {
        "source": HUB, "target": "C0000050", "types": None, "max_length": 6, "limit": 1,
    },
    "unfinished": {},
}  # fmt: skip
BY_VECTOR = ("near-not-connected", "similar")
# These need vectors, or write: test_vectors.py has a case for each.
OF_VECTORS = (
    *("link", "nearest", "similar", "vectors", "vectors_any", "vectors_await", "vectors_clear"),
    *("vectors_count", "vectors_drop_index", "vectors_index", "vectors_mark", "vectors_pending"),
    *("vectors_read", "vectors_write"),
)
# These need what only a whole release has; the terminology's tests ask them.
OF_TERMINOLOGY: dict[str, dict[str, Any]] = {
    "code_sources": {},
    "code_types": {"cui": HUB},
    "hierarchy_atoms_beside": {"chunks": [["1"]], "source": "MSH"},
    "hierarchy_atoms_down": {"chunks": [["1"]], "source": "MSH"},
    "hierarchy_atoms_up": {"chunks": [["1"]], "source": "MSH"},
    "hierarchy_basis": {"source": "MSH"},
    "map_rules": {"chunks": [[["MSH", "1"]]]},
    "semantic_types": {},
}
# The one Release node has no index and needs none, nor have the marks of an import, which are few;
# a walk over all definitions is one.
# Vocabularies and semantic types are few.
SCANS_ALLOWED = {
    ":Release", ":ImportProgress", ":Source", ":SemanticType",
    "(concept)-[anon_0:DEFINED_BY]->(definition)",
}  # fmt: skip


def operators(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield plan["operatorType"].split("@")[0], plan["args"].get("Details", "")
    for child in plan.get("children", []):
        yield from operators(child)


def check_plan(driver: neo4j.Driver, text: str) -> None:
    with driver.session() as session:
        plan = session.run("EXPLAIN " + text).consume().plan
    assert plan is not None
    for operator, details in operators(plan):
        if "Scan" in operator and "IndexScan" not in operator:
            assert any(allowed in details for allowed in SCANS_ALLOWED), f"{operator} {details}"
        assert operator != "AllNodesScan"


def test_every_file_of_cypher_is_covered() -> None:
    shipped = files("bali_platform.graph") / "queries"
    folder = Path(str(shipped))
    found = {str(file.relative_to(folder)) for file in folder.rglob("*.cypher")}
    covered = [f"{name}.cypher" for name in STATEMENTS]
    covered += [f"favourites/{name}.cypher" for name in FAVOURITES]
    covered += [f"{name}.cypher" for name in (*OF_VECTORS, *OF_TERMINOLOGY)]
    assert found == set(covered)


@pytest.mark.services
@pytest.mark.parametrize("name", STATEMENTS)
def test_statements_use_indexes_and_answer(graph: Graph, driver: neo4j.Driver, name: str) -> None:
    check_plan(driver, statement(name))
    # This graph is whole: no marks of an import are left in it.
    assert bool(graph.query(name, **STATEMENTS[name])) == (name != "unfinished")


@pytest.mark.services
@pytest.mark.parametrize("name", OF_TERMINOLOGY)
def test_statements_of_the_terminology_use_indexes(
    graph: Graph, driver: neo4j.Driver, name: str
) -> None:
    check_plan(driver, statement(name))
    assert [row for row in graph.query(name, **OF_TERMINOLOGY[name]) if row != {"rows": []}] == []


@pytest.mark.services
@pytest.mark.parametrize("name", sorted(FAVOURITES.keys() - {"semantic-groups", *BY_VECTOR}))
def test_favourites_use_indexes_and_answer(driver: neo4j.Driver, graph: Graph, name: str) -> None:
    query, parameters = favourite(name), FAVOURITES[name]
    query.check(parameters)
    check_plan(driver, query.text)
    assert run_cypher(graph, query.text, parameters).rows


@pytest.mark.services
def test_semantic_groups_are_counted(graph: Graph, seeded) -> None:
    rows = run_cypher(graph, favourite("semantic-groups").text).rows
    assert sum(count for _, count in rows) == len(seeded.names)


@pytest.mark.services
def test_similar_concepts_by_vector(driver: neo4j.Driver, graph: Graph, oracle) -> None:
    driver.execute_query(
        "CREATE VECTOR INDEX concept_embedding IF NOT EXISTS FOR (c:Concept) ON c.embedding "
        "OPTIONS {indexConfig: {`vector.dimensions`: 2, "
        "`vector.similarity_function`: 'cosine'}}"
    )
    try:
        driver.execute_query(
            "UNWIND $rows AS row MATCH (c:Concept {cui: row[0]}) SET c.embedding = row[1]",
            rows=[["C0000050", [1.0, 0.0]], ["C0000051", [0.9, 0.1]], ["C0000052", [0.0, 1.0]]],
        )
        driver.execute_query("CALL db.awaitIndexes(60)")
        found = {}
        for name in BY_VECTOR:
            query = favourite(name)
            check_plan(driver, query.text)
            rows = run_cypher(graph, query.text, FAVOURITES[name]).to_dicts()
            found[name] = [row["cui"] for row in rows]
        near = ["C0000051", "C0000052"]
        joined = {neighbour for neighbour, _, _ in oracle.edges("C0000050")}
        assert found["similar"] == near
        assert found["near-not-connected"] == [cui for cui in near if cui not in joined]
    finally:
        driver.execute_query("DROP INDEX concept_embedding")
        driver.execute_query("MATCH (c:Concept) WHERE c.embedding IS NOT NULL REMOVE c.embedding")


@pytest.mark.parametrize("name", statement_names())
def test_statements_open_with_a_comment(name: str) -> None:
    assert statement(name).startswith("// ")


def test_favourites_have_a_title_and_explain_their_parameters() -> None:
    for query in favourites():
        assert query.title
        comments = [line for line in query.text.splitlines()[1:] if line.startswith("//")]
        for parameter in query.parameters:
            assert any(f"${parameter}" in line for line in comments)


def test_names_are_suggested() -> None:
    with pytest.raises(UsageError, match="did you mean 'neighbours'"):
        statement("neighbors")
    with pytest.raises(UsageError, match="did you mean 'crosswalk'"):
        favourite("crosswak")


@pytest.mark.parametrize("name", ["../queries/names", "/etc/passwd", "names.cypher", ""])
def test_names_are_not_paths(name: str) -> None:
    with pytest.raises(UsageError, match="no statement"):
        statement(name)


def test_favourites_check_their_parameters() -> None:
    with pytest.raises(UsageError, match="needs --param cui=VALUE"):
        favourite("names").check({})
    with pytest.raises(UsageError, match="did you mean 'cui'"):
        favourite("names").check({"cui": "C1", "cuis": "C2"})
