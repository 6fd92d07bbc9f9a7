"""Cypher that people write: what comes back, and what is refused."""

from __future__ import annotations

import json
import re

import neo4j
import pytest

from bali_platform.base.errors import BaliError, TooLargeError, UsageError
from bali_platform.graph import Graph, cypher
from bali_platform.graph.cypher import run_cypher

pytestmark = pytest.mark.services


def test_values_become_json(graph: Graph) -> None:
    answer = run_cypher(
        graph,
        "MATCH p = (c:Concept {cui: $cui})<-[r:ISA]-(n) WITH c, r, p LIMIT 1 "
        "RETURN c, r, p, [1, null, {a: true}] AS list, date('2025-01-02') AS day, "
        "point({x: 1, y: 2}) AS point",
        {"cui": "C0000010"},
    )
    row = json.loads(json.dumps(answer.to_dicts()))[0]
    assert row["c"]["properties"]["name"] == "Myocardial infarction"
    assert "Concept" in row["c"]["labels"]
    assert row["r"]["type"] == "ISA"
    assert row["r"]["ends"][1] == "C0000010"
    assert len(row["p"]["nodes"]) == 2
    assert row["p"]["relationships"] == [row["r"]]
    assert row["list"] == [1, None, {"a": True}]
    assert row["day"] == "2025-01-02"
    assert row["point"] == [1.0, 2.0]


def test_rows_are_limited_and_say_so(graph: Graph) -> None:
    text = "UNWIND range(1, 100000000) AS x RETURN x"
    answer = run_cypher(graph, text, limit=10)
    assert (len(answer.rows), answer.truncated) == (10, True)
    assert not run_cypher(graph, "UNWIND range(1, 10) AS x RETURN x", limit=10).truncated


def test_time_is_limited(graph: Graph) -> None:
    endless = (
        "UNWIND range(1, 1000000) AS x UNWIND range(1, 1000000) AS y WITH x WHERE x < 0 RETURN x"
    )
    with pytest.raises(BaliError, match=r"longer than 0\.5 s"):
        run_cypher(graph, endless, timeout_s=0.5)


@pytest.mark.parametrize(
    "text",
    [
        "CREATE (n:X)",
        "MATCH (n) DETACH DELETE n",
        "MATCH (c:Concept) SET c.name = 'x'",
        "CALL { CREATE (n:X) } IN TRANSACTIONS",
        "CREATE INDEX FOR (n:Y) ON (n.y)",
        "DROP CONSTRAINT concept_cui",
        "ALTER CURRENT USER SET PASSWORD FROM 'a' TO 'b'",
        "SHOW USERS",
        "SHOW SETTINGS",
        "SHOW TRANSACTIONS",
        "CALL dbms.listConfig()",
        "CALL dbms.killConnection('bolt-1')",
        "CALL db.createLabel('X')",
        "TERMINATE TRANSACTIONS 'neo4j-transaction-1'",
        "LOAD CSV FROM 'file:///etc/passwd' AS line RETURN line",
        "LOAD /* */ CSV FROM 'file:///etc/passwd' AS line RETURN line",
        "RETURN CASE WHEN true THEN COLLECT { LOAD CSV FROM 'file:///x' AS l RETURN l } END",
        "RETURN [1 IN [1] | COLLECT { \\u004cOAD /**/ CSV FROM 'file:///x' AS l RETURN l }]",
        "RETURN CASE WHEN true THEN COLLECT "
        "{ CALL dbms.killConnection('x') YIELD message RETURN message } END",
    ],
)
def test_only_queries_run(graph: Graph, driver: neo4j.Driver, text: str) -> None:
    count = "MATCH (n) RETURN count(n)"
    before = driver.execute_query(count).records
    with pytest.raises(UsageError):
        run_cypher(graph, text)
    assert driver.execute_query(count).records == before


@pytest.mark.parametrize(
    "text",
    [
        "RETURN date.truncate('day', date()) AS x",
        "RETURN `date` . /**/ `truncate` ('day', date()) AS x",
        "RETURN \\u0064ate.truncate('day', date()) AS x",
        "MATCH (n:Nothing) RETURN n ORDER BY date.truncate('day', n.x)",
        "MATCH (n:No) WHERE EXISTS { (n)--(m) WHERE date.truncate('day', m.x) = 1 } RETURN n",
        "RETURN CASE WHEN true THEN COLLECT { RETURN date.truncate('day', date()) } END",
        "UNWIND [1, 2] AS x RETURN reduce(s = 0, y IN [x] | s + date.truncate('day', date()).day)",
    ],
)
def test_functions_that_are_not_listed_are_refused(
    graph: Graph, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    run_cypher(graph, text)
    monkeypatch.setattr(cypher, "FUNCTIONS", re.compile(r"point\.\w+"))
    with pytest.raises(UsageError, match=r"date\.truncate is not one of Neo4j's own"):
        run_cypher(graph, text)


def test_functions_within_a_procedures_arguments_are_looked_at(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = "CALL db.index.fulltext.queryNodes('concept_names', {}) YIELD node RETURN node"
    assert not run_cypher(graph, call.format("'nothing like this'")).rows
    monkeypatch.setattr(cypher, "FUNCTIONS", re.compile(r"point\.\w+"))
    with pytest.raises(UsageError, match=r"date\.truncate is not one of Neo4j's own"):
        run_cypher(graph, call.format("toString(date.truncate('day', date()))"))


@pytest.mark.parametrize("text", ["RETURN 'a.b(' AS `c.d(e)`", "MATCH (n:`a.b(c)`) RETURN n"])
def test_names_are_no_functions(graph: Graph, text: str) -> None:
    run_cypher(graph, text)


def test_bytes_are_limited(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cypher, "MAX_BYTES", 10_000)
    text = "UNWIND range(1, 10000) AS x RETURN [{text: $text}]"
    answer = run_cypher(graph, text, {"text": "z" * 990})
    assert (len(answer.rows), answer.truncated) == (9, True)
    with pytest.raises(TooLargeError, match="one row is larger"):
        run_cypher(graph, text, {"text": "z" * 10_001})


def test_writing_when_asked_to(graph: Graph, driver: neo4j.Driver) -> None:
    run_cypher(graph, "CREATE (:Note {text: $text})", {"text": "mine"}, write=True)
    text = "MATCH (n:Note) WITH n, n.text AS text DELETE n RETURN text"
    assert run_cypher(graph, text, write=True).rows == [["mine"]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("RETUN 1", r"Invalid input 'RETUN'.*\(line 1, column 1 \(offset: 0\)\)"),
        ("MATCH (n)\nRETURN m", r"`m` not defined \(line 2, column 8"),
        ("RETURN $x", "Expected parameter.*x"),
        ("", "Cypher:"),
        ("RETURN 1; MATCH (n) DELETE n", "exactly one statement"),
        ("RETURN 1 / 0", "/ by zero"),
    ],
)
def test_mistakes_are_explained_in_one_line(graph: Graph, text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        run_cypher(graph, text)
    assert "\n" not in str(caught.value)


def test_limits_are_positive(graph: Graph) -> None:
    for limits in ({"limit": 0}, {"limit": -1}, {"timeout_s": 0}, {"timeout_s": -1}):
        with pytest.raises(UsageError, match="must be positive"):
            run_cypher(graph, "RETURN 1", **limits)


def test_parameters_without_a_type_in_neo4j(graph: Graph) -> None:
    with pytest.raises(UsageError, match="not supported"):
        run_cypher(graph, "RETURN $x", {"x": object()})
