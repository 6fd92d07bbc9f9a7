"""Everything that a database holds, as plain data that can be compared."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import neo4j

TIMES = ("loaded_at", "report")


@dataclass(frozen=True)
class Dump:
    """Nodes and relationships, by what they say of themselves, and the schema."""

    nodes: Counter[str]
    relationships: Counter[tuple[str, str, str]]
    schema: list[str]


def dump(driver: neo4j.Driver) -> Dump:
    nodes = {row["id"]: _node(row) for row in _rows(driver, NODES)}
    relationships = (
        (nodes[row["start"]], _text(row["type"], row["properties"]), nodes[row["end"]])
        for row in _rows(driver, RELATIONSHIPS)
    )
    schema = [_text(row) for query in SCHEMA for row in _rows(driver, query)]
    return Dump(Counter(nodes.values()), Counter(relationships), sorted(schema))


NODES = "MATCH (n) RETURN elementId(n) AS id, labels(n) AS labels, properties(n) AS properties"
RELATIONSHIPS = (
    "MATCH (a)-[r]->(b) RETURN elementId(a) AS start, type(r) AS type, "
    "properties(r) AS properties, elementId(b) AS end"
)
SCHEMA = (
    "SHOW INDEXES YIELD name, type, entityType, labelsOrTypes, properties, options, state",
    "SHOW CONSTRAINTS YIELD name, type, entityType, labelsOrTypes, properties",
)


def _rows(driver: neo4j.Driver, query: str) -> list[dict[str, Any]]:
    with driver.session() as session:
        return session.run(query).data()


def _node(row: dict[str, Any]) -> str:
    properties = {key: value for key, value in row["properties"].items() if key not in TIMES}
    if "report" in row["properties"]:
        report = json.loads(row["properties"]["report"])
        properties["report"] = report | {"seconds": None}
    return _text(sorted(row["labels"]), properties)


def _text(*values: object) -> str:
    return json.dumps(values, sort_keys=True, ensure_ascii=False)
