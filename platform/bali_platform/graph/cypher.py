"""Cypher that people write: bounded in time, rows and memory; read-only unless they say otherwise.

A read transaction alone is not enough: in one, Neo4j still reads files and fetches addresses
(``LOAD CSV``), ends other people's transactions and shows its settings. So each query is planned
first, and its plan, which no spelling or comment can disguise, must consist of reading the graph.
Subqueries inside expressions show in a plan only as text, in Neo4j's own spelling of the clauses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import neo4j
from neo4j.exceptions import AuthError, Neo4jError
from neo4j.graph import Node, Path, Relationship

from bali_platform.base.errors import BaliError, TooLargeError, UsageError
from bali_platform.graph.client import Graph
from bali_platform.services.neo4j_errors import first_line

TIMEOUT_S = 30.0
MAX_ROWS = 1000
MAX_BYTES = 32 * 2**20  # of an answer, about as many as its JSON has

_FETCH = 1000  # rows that travel together
_EXPLAIN = "EXPLAIN "
_FIRST_LINE = re.compile(r"line 1, column (\d+) \(offset: (\d+)\)")
_PROCEDURES = re.compile(
    r"db\.(labels|relationshipTypes|propertyKeys|schema\.\w+|index\.(fulltext|vector)\.query\w+)\("
)
_OPERATORS_REFUSED = re.compile("LoadCSV|Show|Terminate|Administration")
_EXPRESSIONS_REFUSED = re.compile(r"LOAD CSV|ResolvedCall\(")
# Only functions of Neo4j itself have names without a dot.
_FUNCTION = re.compile(r"([A-Za-z_]\w*(?:\.\w+)+)\(")
FUNCTIONS = re.compile(
    r"(date|datetime|localdatetime|localtime|time|duration|point|vector\.similarity)\.\w+"
)
_QUOTED = re.compile(r"`(?:[^`]|``)*`")


class BadCypherError(UsageError):
    """Neo4j cannot run the statement."""


class NotReadOnlyError(UsageError):
    """The statement would do more than read the graph."""


class TimeLimitError(BaliError):
    """The statement took longer than it may."""


class MemoryLimitError(BaliError):
    """The statement needed more of Neo4j's memory than it may take."""


@dataclass(frozen=True)
class Rows:
    """An answer in the driver's ``values``; ``truncated`` when there were more rows."""

    columns: tuple[str, ...]
    values: list[list[Any]]
    truncated: bool

    @cached_property
    def rows(self) -> list[list[Any]]:
        """The values as plain ones, JSON all through."""
        return [[plain(value) for value in row] for row in self.values]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return one mapping of plain values a row."""
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
    """Run one statement and return at most ``limit`` rows, of at most ``MAX_BYTES`` together.

    Without ``write`` the statement must be one that reads the graph and does nothing else: no
    ``LOAD CSV``, no administration, no procedures but the schema's and the indexes', no functions
    but Neo4j's own.

    Raises:
        TooLargeError: one row alone is larger than that.
        BadCypherError: Neo4j rejects the statement or a parameter.
        NotReadOnlyError: it would do more than read.
        TimeLimitError: it took longer than ``timeout_s``.
        MemoryLimitError: it needed too much of the server's memory.
        BaliError: the server failed.
    """
    if limit < 1 or timeout_s <= 0:
        raise UsageError("the row and time limits must be positive")
    mode = neo4j.WRITE_ACCESS if write else neo4j.READ_ACCESS
    values = dict(parameters or {})
    fetch_size = min(limit + 1, _FETCH)
    session = graph.driver.session(default_access_mode=mode, fetch_size=fetch_size)
    with graph.errors(), _explained(timeout_s), session:
        if write:
            return _collect(session.run(neo4j.Query(text, timeout=timeout_s), values), limit)
        # No managed transaction: it would run again what exceeded the memory.
        with session.begin_transaction(timeout=timeout_s) as transaction:
            _check_read_only(transaction.run(_EXPLAIN + text, values).consume())
            return _collect(transaction.run(text, values), limit)


def _check_read_only(summary: neo4j.ResultSummary) -> None:
    if summary.query_type != "r":
        raise NotReadOnlyError("this statement would write, or administer the server")
    for operator, details in _operators(summary.plan or {}):
        if _OPERATORS_REFUSED.match(operator) or _EXPRESSIONS_REFUSED.search(details):
            raise NotReadOnlyError(
                "LOAD CSV, SHOW, TERMINATE, and CALL in an expression are refused"
            )
        if operator.startswith("ProcedureCall"):
            if not _PROCEDURES.match(details):
                name = details.partition("(")[0][:100]
                raise NotReadOnlyError(f"procedure {name} is not one that reads the graph")
            details = details.partition("(")[2]
        for name in _FUNCTION.findall(_QUOTED.sub("", details)):
            if not FUNCTIONS.fullmatch(name):
                raise NotReadOnlyError(f"function {name[:100]} is not one of Neo4j's own")


def _operators(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield plan.get("operatorType", ""), str(plan.get("args", {}).get("Details", ""))
    for child in plan.get("children", ()):
        yield from _operators(child)


def _collect(result: neo4j.Result, limit: int) -> Rows:
    columns = tuple(result.keys())
    values: list[list[Any]] = []
    room = MAX_BYTES
    for record in result:
        row = record.values()
        room -= _size(row)
        if room < 0 and not values:
            raise TooLargeError(f"one row is larger than {MAX_BYTES >> 20} MiB: ask for less")
        if room < 0 or len(values) == limit:
            return Rows(columns, values, truncated=True)
        values.append(row)
    return Rows(columns, values, truncated=False)


def _size(value: Any) -> int:
    """Return about how many bytes a value has as JSON."""
    match value:
        case str() | bytes() | bytearray():
            return len(value) + 2
        case Node() | Relationship():
            return 64 + _size(dict(value))
        case Path():
            return sum(map(_size, (*value.nodes, *value.relationships)))
        case dict():
            return sum(len(name) + 4 + _size(item) for name, item in value.items())
        case list() | tuple():
            return sum(map(_size, value)) + 2 * len(value)
    return 8


def plain(value: Any) -> Any:
    """Return a value of Neo4j as JSON has it; temporal values and points become text or lists."""
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
        case bytes() | bytearray():
            return value.hex()
    return value.iso_format() if hasattr(value, "iso_format") else str(value)


@contextmanager
def _explained(timeout_s: float) -> Iterator[None]:
    try:
        yield
    except AuthError:
        raise
    except Neo4jError as error:
        raise _in_one_line(error, timeout_s) from error
    except (OverflowError, TypeError, ValueError) as error:  # what Neo4j has no type for
        raise BadCypherError(f"Cypher: parameters: {first_line(error)}") from error


def _in_one_line(error: Neo4jError, timeout_s: float) -> BaliError:
    code = error.code or ""
    if "TimedOut" in code or "Terminated" in code:
        return TimeLimitError(
            f"the statement took longer than {timeout_s:g} s and was ended: ask for less"
        )
    if "OutOfMemory" in code:
        return MemoryLimitError(
            "the statement needs more memory than Neo4j gives to one: ask for less"
        )
    if "AccessMode" in code:
        return NotReadOnlyError(first_line(error))
    if code.startswith("Neo.DatabaseError"):  # its message may be no more than a number
        return BadCypherError(f"Cypher: Neo4j failed to run the statement: {first_line(error)}")
    return BadCypherError(f"Cypher: {_own_columns(first_line(error))}")


def _own_columns(message: str) -> str:
    """Correct the columns of a message about the explained statement's first line."""

    def shifted(match: re.Match[str]) -> str:
        column, offset = (int(number) - len(_EXPLAIN) for number in match.groups())
        return f"line 1, column {column} (offset: {offset})"

    return _FIRST_LINE.sub(shifted, message)
