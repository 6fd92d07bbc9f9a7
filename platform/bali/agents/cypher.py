"""Tools for own queries: the schema, projected, and Cypher that only reads."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import Field

from bali.agents.answers import Table
from bali.agents.desk import Desk, Limit
from bali_platform.api.audit import audited
from bali_platform.graph.cypher import run_cypher

TIME_LIMIT_S = 10.0


def show_schema(
    desk: Desk,
    search: Annotated[
        str, Field(max_length=100, description="Words of a relationship type, or a family.")
    ] = "",
    limit: Limit = 50,
) -> Table:
    """Show what the graph is made of, for run_cypher and for relationship filters.

    A thousand relationship types do not fit an answer: there are families with counts and the
    most used types; search among the rest.
    """
    schema = desk.live.schema
    return schema.search(search, limit) if search.strip() else schema.overview()


def run_cypher_query(
    desk: Desk,
    query: Annotated[str, Field(min_length=1, max_length=10_000)],
    parameters: dict[str, Any] | None = None,
    limit: Limit = 50,
) -> Table:
    """Run a Cypher query that only reads, for at most 10 seconds; see show_schema first.

    Return single properties, not whole nodes, and put values into parameters.
    """
    with audited("cypher", query=query):
        found = run_cypher(desk.graph, query, parameters, timeout_s=TIME_LIMIT_S, limit=limit)
    return Table(
        f"{len(found.rows)} rows",
        found.columns,
        [[_cell(value) for value in row] for row in found.rows],
        less="return fewer columns, aggregate, or add LIMIT",
        notes=["there are more rows: add SKIP, aggregate, or raise limit"]
        if found.truncated
        else [],
    )


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
