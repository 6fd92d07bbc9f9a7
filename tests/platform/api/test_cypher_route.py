"""Other people's Cypher: what it may say, and everything that it may not."""

import neo4j
import pytest

pytestmark = pytest.mark.services

WRITES = [
    "CREATE (n:Intruder) RETURN n",
    "MATCH (n) DETACH DELETE n",
    "MATCH (c:Concept) SET c.name = 'x'",
    "MATCH (c:Concept) REMOVE c:Concept",
    "MERGE (c:Concept {cui: 'C0000001'}) ON MATCH SET c.name = 'x'",
    "MATCH (c:Concept) CALL (c) { SET c.name = 'x' } IN TRANSACTIONS",
    "RETURN 1 AS x UNION CREATE (n:Intruder) RETURN 1 AS x",
    "CYPHER 5 CREATE (n:Intruder)",
    "EXPLAIN CREATE (n:Intruder)",
    "/* RETURN 1 */ CREATE (n:Intruder)",
    "\\u0043REATE (n:Intruder)",
    "FOREACH (i IN [1] | CREATE (:Intruder))",
    "CREATE INDEX intruder FOR (n:Concept) ON (n.name)",
    "DROP INDEX concept_names",
    "CREATE USER intruder SET PASSWORD 'long enough'",
    "ALTER CURRENT USER SET PASSWORD FROM 'a' TO 'long enough'",
    "CALL db.createLabel('Intruder')",
]
REACHES_OUT = [
    "LOAD CSV FROM 'file:///etc/hostname' AS row RETURN row",
    "LOAD CSV FROM 'http://127.0.0.1:1/' AS row RETURN row",
    "L\\u004fAD CSV FROM 'file:///etc/hostname' AS row RETURN row",
    "RETURN COLLECT { LOAD CSV FROM 'file:///etc/hostname' AS row RETURN row }",
    "RETURN [x IN [1] | COLLECT { load /**/ csv FROM 'file:///etc/hostname' AS r RETURN r }]",
    "MATCH (c) WHERE any(x IN [1] WHERE EXISTS { LOAD CSV FROM 'file:///etc/x' AS r RETURN r }) "
    "RETURN c",
    "MATCH (c) RETURN c ORDER BY [x IN [1] | COUNT { LOAD CSV FROM 'file:///x' AS r RETURN r }]",
    "RETURN [x IN [1] | COLLECT { CALL db.labels() YIELD label RETURN label }]",
    "CALL dbms.listConfig()",
    "CALL dbms.killConnection('bolt-1')",
    "CALL db.clearQueryCaches()",
    "CALL tx.setMetaData({a: 1})",
    "SHOW TRANSACTIONS",
    "SHOW SETTINGS",
    "SHOW USERS",
    "TERMINATE TRANSACTION 'neo4j-transaction-1'",
]
HUNGRY = [
    "UNWIND range(1, 100000000) AS x RETURN collect(x)",
    "UNWIND range(1, 100000000) AS x RETURN x ORDER BY -x",
    "RETURN size([x IN range(1, 1000000000) | x])",
    "WITH reduce(s = 'x', i IN range(1, 20) | s + s) AS s RETURN size(replace(s, 'x', s))",
]
REJECTED = [
    "RETRUN 1",
    "RETURN 1; RETURN 2",
    "RETURN $missing",
    "PROFILE RETURN 1",
    "MATCH (c:Concept) CALL (c) { RETURN 1 AS x } IN TRANSACTIONS RETURN x",
    "RETURN 1 / 0",
    "RETURN toInteger({})",
    "USE system RETURN 1",
    " ",
    "(" * 20_000,
]


def state(driver: neo4j.Driver) -> list[object]:
    records, _, _ = driver.execute_query(
        "MATCH (n) OPTIONAL MATCH (n)-[r]->() "
        "RETURN count(DISTINCT n) AS n, count(r) AS r, collect(DISTINCT n.name) AS names"
    )
    names = driver.execute_query("SHOW INDEXES YIELD name RETURN collect(name) AS x").records[0]
    return [records[0].data(), names["x"]]


def test_rows_nodes_and_edges_are_returned(api, facts) -> None:
    query = (
        "MATCH (a:Concept {cui: $cui})-[r]->(b:Concept) "
        "RETURN a, type(r) AS type, r, b.cui AS other"
    )
    answer = api.post("/cypher", json={"query": query, "parameters": {"cui": "C0000002"}}).json()
    assert answer["columns"] == ["a", "type", "r", "other"]
    nodes = {node["id"]: node for node in answer["nodes"]}
    edges = {edge["id"]: edge for edge in answer["edges"]}
    assert [node["properties"]["cui"] for node in nodes.values()] == ["C0000002"]
    found = {
        (nodes[a["node"]]["properties"]["name"], kind, edges[r["edge"]]["type"], other)
        for a, kind, r, other in answer["rows"]
    }
    treats = ("Aspirin", "MAY_TREAT", "MAY_TREAT")
    assert found == {(*treats, "C0000001"), (*treats, "C0000005")}


def test_paths_and_every_kind_of_value_become_json(api) -> None:
    query = (
        "MATCH p = (:Concept {cui: 'C0000002'})-->(:Concept {cui: 'C0000001'}) "
        "RETURN p, 1.5, 0.0/0.0, null, true, [1, {a: 'x'}], date('2026-01-02'), "
        "duration('PT1H'), point({x: 1, y: 2})"
    )
    answer = api.post("/cypher", json={"query": query})
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["rows"]
    assert [list(part) for part in row[0]] == [["node"], ["edge"], ["node"]]
    assert row[1:6] == [1.5, None, None, True, [1, {"a": "x"}]]
    assert row[6] == "2026-01-02"
    assert len(answer.json()["nodes"]) == 2


def test_more_rows_than_the_limit_are_announced(api, facts) -> None:
    query = "MATCH (c:Concept) RETURN c.cui"
    for limit in (5, len(facts.names)):
        answer = api.post("/cypher", json={"query": query, "limit": limit}).json()
        assert len(answer["rows"]) == limit
        assert answer["truncated"] == (limit < len(facts.names))


def test_the_indexes_may_be_asked(api) -> None:
    query = "CALL db.index.fulltext.queryNodes('concept_names', $q) YIELD node RETURN node.cui"
    answer = api.post("/cypher", json={"query": query, "parameters": {"q": "aspirin"}}).json()
    assert answer["rows"] == [["C0000002"]]
    assert api.post("/cypher", json={"query": "CALL db.labels()"}).json()["rows"]


@pytest.mark.parametrize("query", WRITES)
def test_writing_is_refused_and_changes_nothing(api, graph, query) -> None:
    before = state(graph)
    answer = api.post("/cypher", json={"query": query})
    assert answer.status_code in (400, 403)
    assert answer.headers["content-type"] == "application/problem+json"
    assert state(graph) == before


@pytest.mark.parametrize("query", REACHES_OUT)
def test_what_a_read_transaction_would_allow_is_refused_too(api, query) -> None:
    answer = api.post("/cypher", json={"query": query})
    assert answer.status_code == 403, answer.text
    assert answer.json()["type"] == "urn:bali:problem:not-read-only"


@pytest.mark.parametrize("query", REJECTED, ids=lambda query: query[:20])
def test_what_neo4j_rejects_is_the_askers_problem(api, query) -> None:
    answer = api.post("/cypher", json={"query": query})
    assert answer.status_code == 400, answer.text
    assert "\n" not in answer.json()["detail"]


@pytest.mark.parametrize("value", [2**63, -(2**70), {"a": [2**64]}])
def test_numbers_beyond_64_bits_are_the_askers_problem(api, value) -> None:
    answer = api.post("/cypher", json={"query": "RETURN $x", "parameters": {"x": value}})
    assert answer.status_code == 400, answer.text


def test_a_string_in_a_parameter_is_only_a_string(api, graph) -> None:
    before = state(graph)
    text = "' }) DETACH DELETE c //"
    answer = api.post("/cypher", json={"query": "RETURN $x", "parameters": {"x": text}})
    assert answer.json()["rows"] == [[text]]
    assert state(graph) == before


@pytest.mark.parametrize("query", HUNGRY)
def test_memory_is_limited_and_the_server_lives(api, facts, query) -> None:
    answer = api.post("/cypher", json={"query": query})
    assert answer.status_code == 422, answer.text
    assert answer.json()["type"] == "urn:bali:problem:too-much-memory"
    answer = api.post("/cypher", json={"query": "MATCH (c:Concept) RETURN count(c)"})
    assert answer.json()["rows"] == [[len(facts.names)]]
