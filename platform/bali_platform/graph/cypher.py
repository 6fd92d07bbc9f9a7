"""Cypher that people write: bounded in time and rows, and read-only unless they say otherwise."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import neo4j
from neo4j.exceptions import ClientError
from neo4j.graph import Node, Path, Relationship
from neo4j.time import Date, DateTime, Duration, Time

from bali_platform.errors import BaliError, UsageError
from bali_platform.graph.client import Graph, first_line

__all__ = ["Rows", "plain", "run_cypher"]

TIMEOUT_S = 30.0
MAX_ROWS = 1000

_EXPLAIN = "EXPLAIN "
_FIRST_LINE = re.compile(r"line 1, column (\d+) \(offset: (\d+)\)")

# A read transaction lets these through: reading files of the server, ending other people's work.
_REFUSED = ("LoadCSV", "LOAD CSV", "TerminateTransactions", "TERMINATE TRANSACTIONS")


@dataclass(frozen=True)
class Rows:
    """An answer of plain values, JSON all through; ``truncated`` when there were more rows."""

    columns: tuple[str, ...]
    rows: list[list[Any]]
    truncated: bool

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one mapping a row."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def run_cypher(
    graph: Graph,
    text: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    write: bool = False,
    timeout_s: float = TIMEOUT_S,
    limit: int = MAX_ROWS,
) -> Rows:
    """Run one statement and return at most ``limit`` rows.

    Without ``write`` the statement must be a query: it is planned first and refused if it would
    write, change the server or read files, and then runs in a read transaction.

    Raises:
        UsageError: the statement is not valid Cypher, or not allowed.
        BaliError: it took longer than ``timeout_s``, or the server failed.
    """
    if limit < 1 or timeout_s <= 0:
        raise UsageError("the row and time limits must be positive")
    values = dict(parameters or {})
    with graph.errors(), _as_usage_errors(timeout_s):
        if write:
            with graph.driver.session() as session:
                query = neo4j.Query(text, timeout=timeout_s)
                return _collect(session.run(query, values), limit)

        @neo4j.unit_of_work(timeout=timeout_s)
        def work(transaction: neo4j.ManagedTransaction) -> Rows:
            _check_read_only(transaction, text, values)
            return _collect(transaction.run(text, values), limit)

        with graph.driver.session(default_access_mode=neo4j.READ_ACCESS) as session:
            return session.execute_read(work)


def _check_read_only(
    transaction: neo4j.ManagedTransaction, text: str, parameters: dict[str, Any]
) -> None:
    summary = transaction.run(_EXPLAIN + text, parameters).consume()
    plan = json.dumps(summary.plan)
    if summary.query_type != "r" or any(sign in plan for sign in _REFUSED):
        raise UsageError(
            "this statement writes, changes the server or reads files: "
            "only queries are run without --write"
        )


def _collect(result: neo4j.Result, limit: int) -> Rows:
    columns = tuple(result.keys())
    records = result.fetch(limit + 1)
    rows = [[plain(value) for value in record.values()] for record in records[:limit]]
    return Rows(columns, rows, truncated=len(records) > limit)


def plain(value: Any) -> Any:
    """Return a value of Neo4j as JSON has it; temporal values become text."""
    match value:
        case Node():
            return {"labels": sorted(value.labels), "properties": plain(dict(value))}
        case Relationship():
            ends = [dict(node).get("cui") for node in value.nodes if node is not None]
            return {"type": value.type, "ends": ends, "properties": plain(dict(value))}
        case Path():
            return {
                "nodes": [plain(node) for node in value.nodes],
                "relationships": [plain(edge) for edge in value.relationships],
            }
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case None | bool() | int() | float() | str():
            return value
        case Date() | DateTime() | Duration() | Time():
            return value.iso_format()
        case _:
            return str(value)


@contextmanager
def _as_usage_errors(timeout_s: float) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if "TransactionTimedOut" in (error.code or ""):
            raise BaliError(
                f"the statement took longer than {timeout_s:g} s and was ended: "
                "narrow it, or raise --timeout"
            ) from error
        raise UsageError(f"Cypher: {_own_columns(first_line(error))}") from error
    except ValueError as error:  # a parameter that Neo4j has no type for
        raise UsageError(f"Cypher: {error}") from error


def _own_columns(message: str) -> str:
    """Correct the columns of a message about the explained statement's first line."""

    def shifted(match: re.Match[str]) -> str:
        column, offset = (int(number) - len(_EXPLAIN) for number in match.groups())
        return f"line 1, column {column} (offset: {offset})"

    return _FIRST_LINE.sub(shifted, message)
