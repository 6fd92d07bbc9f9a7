"""Other people's Cypher: only what reads the graph, for a limited time, up to a number of rows.

A read transaction alone is not enough: in one, Neo4j still reads files and fetches addresses
(``LOAD CSV``), ends other people's transactions and shows its settings. So each query is planned
first, and its plan, which no spelling or comment can disguise, must consist of reading the graph.
Subqueries inside expressions show in a plan only as text, in Neo4j's own spelling of the clauses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import neo4j
from neo4j.exceptions import Neo4jError
from neo4j.graph import Node, Path, Relationship

from bali_platform.api.models import CypherAnswer, CypherEdge, CypherNode
from bali_platform.api.problems import ProblemError
from bali_platform.graph import Graph
from bali_platform.graph.client import first_line

__all__ = ["TIME_LIMIT_S", "run_cypher"]

TIME_LIMIT_S = 10.0
_PROCEDURES = re.compile(
    r"db\.(labels|relationshipTypes|propertyKeys|schema\.\w+|index\.(fulltext|vector)\.query\w+)\("
)
_OPERATORS_REFUSED = re.compile("LoadCSV|Show|Terminate|Administration")
_EXPRESSIONS_REFUSED = re.compile(r"LOAD CSV|ResolvedCall\(")


def run_cypher(
    graph: Graph,
    query: str,
    parameters: dict[str, Any],
    limit: int,
    time_limit_s: float = TIME_LIMIT_S,
) -> CypherAnswer:
    """Run a query that reads, and return at most ``limit`` rows.

    Raises:
        ProblemError: it would do more than read, Neo4j rejects it, or it takes too long.
    """
    session = graph.driver.session(default_access_mode=neo4j.READ_ACCESS, fetch_size=limit + 1)
    with graph.errors(), session:
        try:
            _check(session.run(f"EXPLAIN {query}").consume())
            with session.begin_transaction(timeout=time_limit_s) as transaction:
                result = transaction.run(query, parameters)
                rows = [record.values() for record in result.fetch(limit + 1)]
        except Neo4jError as error:
            raise _problem(error) from error
        except (OverflowError, ValueError) as error:
            raise ProblemError("bad-cypher", f"parameters: {first_line(error)}") from error
    return _Answer().build(graph.version, list(result.keys()), rows, limit)


def _check(summary: neo4j.ResultSummary) -> None:
    if summary.query_type != "r":
        raise ProblemError("not-read-only", "this query would write, or administer the server")
    for operator, details in _operators(summary.plan or {}):
        if _OPERATORS_REFUSED.match(operator) or _EXPRESSIONS_REFUSED.search(details):
            raise ProblemError(
                "not-read-only", "LOAD CSV, SHOW, TERMINATE, and CALL in an expression are refused"
            )
        if operator.startswith("ProcedureCall") and not _PROCEDURES.match(details):
            name = details.partition("(")[0][:100]
            raise ProblemError("not-read-only", f"procedure {name} is not one that reads the graph")


def _operators(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield plan.get("operatorType", ""), str(plan.get("args", {}).get("Details", ""))
    for child in plan.get("children", ()):
        yield from _operators(child)


def _problem(error: Neo4jError) -> ProblemError:
    code = error.code or ""
    if "TimedOut" in code or "Terminated" in code:
        return ProblemError("too-slow", "Neo4j was stopped at the time limit: ask for less")
    if "AccessMode" in code:
        return ProblemError("not-read-only", first_line(error))
    return ProblemError("bad-cypher", first_line(error))


class _Answer:
    """Turns the driver's values into JSON's, collecting nodes and relationships on the way."""

    def __init__(self) -> None:
        self._nodes: dict[str, CypherNode] = {}
        self._edges: dict[str, CypherEdge] = {}

    def build(
        self, version: str, columns: list[str], rows: list[list[Any]], limit: int
    ) -> CypherAnswer:
        values = [[self._plain(value) for value in row] for row in rows[:limit]]
        return CypherAnswer(
            graph_version=version,
            columns=columns,
            rows=values,
            nodes=list(self._nodes.values()),
            edges=list(self._edges.values()),
            truncated=len(rows) > limit,
        )

    def _plain(self, value: Any) -> Any:
        match value:
            case None | bool() | int() | float() | str():
                return value
            case Node():
                return self._node(value)
            case Relationship():
                return self._edge(value)
            case Path():
                return [self._plain(part) for part in _walk(value)]
            case list():
                return [self._plain(item) for item in value]
            case dict():
                return {name: self._plain(item) for name, item in value.items()}
            case bytes() | bytearray():
                return value.hex()
        return value.iso_format() if hasattr(value, "iso_format") else str(value)

    def _node(self, node: Node) -> dict[str, str]:
        if node.element_id not in self._nodes:
            self._nodes[node.element_id] = CypherNode(
                id=node.element_id, labels=sorted(node.labels), properties=self._plain(dict(node))
            )
        return {"node": node.element_id}

    def _edge(self, edge: Relationship) -> dict[str, str]:
        ends = [end for end in (edge.start_node, edge.end_node) if end is not None]
        if edge.element_id not in self._edges:
            self._edges[edge.element_id] = CypherEdge(
                id=edge.element_id,
                type=edge.type,
                source=ends[0].element_id,
                target=ends[-1].element_id,
                properties=self._plain(dict(edge)),
            )
        return {"edge": edge.element_id}


def _walk(path: Path) -> Iterator[Node | Relationship]:
    yield path.nodes[0]
    for edge, node in zip(path.relationships, path.nodes[1:], strict=True):
        yield from (edge, node)
