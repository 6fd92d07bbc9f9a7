"""Indexes and constraints, the release's own node, and the counts of a graph, over Bolt."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import neo4j

from bali_loaders.umls.report import Report
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter

CYPHER = files("bali_loaders.umls") / "cypher"
PATIENCE_S = 4 * 3600


def statements(name: str) -> Iterator[str]:
    """Yield the statements of ``cypher/<name>.cypher``."""
    text = (CYPHER / f"{name}.cypher").read_text(encoding="utf-8")
    yield from (part.strip() for part in text.split(";\n") if part.strip())


def run(driver: neo4j.Driver, name: str, **parameters: Any) -> list[dict[str, Any]]:
    """Run the one statement of ``cypher/<name>.cypher`` and return its rows."""
    (statement,) = statements(name)
    with driver.session() as session:
        return session.run(statement, parameters).data()


def create_schema(driver: neo4j.Driver, reporter: Reporter = QUIET) -> None:
    """Create what is missing of constraints and indexes, and wait until all serve.

    Indexes are built in the background, while the constraints are built one after the other.

    Raises :class:`BaliError` naming the first one that cannot be built.
    """
    wanted = list(statements("schema"))
    with reporter.step("build indexes", len(wanted) + 1) as step:
        for statement in wanted:
            driver.execute_query(statement)
            step.advance()
        await_indexes(driver)
        step.advance()


def await_indexes(driver: neo4j.Driver) -> None:
    """Wait until all indexes serve; raises :class:`BaliError` naming one that cannot be built."""
    driver.execute_query("CALL db.awaitIndexes($seconds)", seconds=PATIENCE_S)
    for row in run(driver, "failed_indexes"):
        raise BaliError(f"index {row['name']} cannot be built: {row['failureMessage']}")


def count_stored(driver: neo4j.Driver) -> tuple[dict[str, int], dict[str, int]]:
    """Return the numbers of nodes by label and of relationships by type, as the store keeps them.

    The ``:Release`` node is not counted, nor are the marks of an import that is under way.
    """
    data = run(driver, "graph_counts")[0]["data"]
    labels = {row["label"]: row["count"] for row in data["nodes"] if "label" in row}
    for label in ("Release", "ImportProgress"):
        labels.pop(label, None)
    types = {
        row["relationshipType"]: row["count"]
        for row in data["relationships"]
        if row.keys() == {"relationshipType", "count"}
    }
    return labels, types


def write_release(driver: neo4j.Driver, report: Report) -> None:
    """Write the one ``:Release`` node; a graph without it is not a whole graph."""
    run(
        driver,
        "release",
        version=report.release,
        graph_version=report.graph_version,
        options=report.options.model_dump_json(),
        report=report.model_dump_json(),
        relation_types=report.relation_types,
    )
