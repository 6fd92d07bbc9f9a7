"""What people added to the concepts of a graph, carried over to the next one by CUI."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TextIO

import neo4j
import numpy as np
from pydantic import BaseModel, ConfigDict

from bali_loaders.umls.own import EMBEDDING, is_own_label, is_own_property
from bali_loaders.umls.report import Report
from bali_loaders.umls.schema import await_indexes, count_stored, run, statements
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.graph.semantic_groups import SEMANTIC_GROUPS

# What a load writes on concepts.
PROPERTIES = (
    *("cui", "name", "names", "definition", "semantic_types", "sources", "suppressed"),
    "sampled_edges",
)
LABELS = ("Concept", *(group.label for group in SEMANTIC_GROUPS))
AT_ONCE = 500

Row = dict[str, Any]


class Carried(BaseModel):
    """What was carried over, and what was not.

    ``concepts`` counts those that had additions and ``merged`` those of them whose additions went
    to the concept they were merged into; ``properties`` and ``labels`` count what was carried, by
    name; ``indexes`` names those made again. ``left_behind`` counts, by reason, what is listed in
    the file of that name, and ``elsewhere`` the nodes and relationships that no load makes: they
    are only counted.
    """

    model_config = ConfigDict(extra="forbid")

    concepts: int = 0
    merged: int = 0
    properties: dict[str, int] = {}
    labels: dict[str, int] = {}
    indexes: list[str] = []
    left_behind: dict[str, int] = {}
    elsewhere: dict[str, int] = {}


def carry_over(
    live: neo4j.Driver, staged: neo4j.Driver, old: Report, listing: Path, reporter: Reporter = QUIET
) -> Carried:
    """Carry the additions of the ``live`` graph over to the ``staged`` one.

    What a concept had that was merged into another goes to that one, unless it has its own.
    Whatever cannot be carried over is written to ``listing``, a line of JSON each. Along with
    vectors goes the note whose they are; where a concept has none, it says that some are missing.

    Args:
        live: the graph before.
        staged: the graph to come, with its indexes.
        old: the report of the graph before, which says what its load made.
        listing: the file to write.
        reporter: shows progress.
    """
    (query,) = statements("additions")
    with (
        listing.open("w", encoding="utf-8") as lines,
        reporter.step("carry over additions") as step,
        live.session(default_access_mode=neo4j.READ_ACCESS, fetch_size=AT_ONCE) as session,
    ):
        carrying = _Carrying(live, staged, lines)
        found = session.run(query, properties=PROPERTIES, labels=LABELS)
        while records := found.fetch(AT_ONCE):
            carrying.carry([record.data() for record in records])
            step.advance(len(records))
    carried = carrying.summary()
    if EMBEDDING in carried.properties:
        for noted in run(live, "maker"):
            run(staged, "set_maker", **noted)
    return carried.model_copy(
        update={
            "indexes": list(_remake_indexes(live, staged, reporter)),
            "elsewhere": dict(_elsewhere(live, old, carrying.labels_seen)),
        }
    )


class _Carrying:
    """Additions on their way, a batch at a time."""

    def __init__(self, live: neo4j.Driver, staged: neo4j.Driver, listing: TextIO) -> None:
        self._live, self._staged, self._listing = live, staged, listing
        self._taken: defaultdict[str, set[str]] = defaultdict(set)
        self._concepts = self._merged = 0
        self._properties: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self.labels_seen: Counter[str] = Counter()

    def carry(self, additions: Collection[Row]) -> None:
        """Write a batch, rows of ``additions.cypher``; list what has no place."""
        self._concepts += len(additions)
        cuis = [one["cui"] for one in additions]
        successors = {
            row["cui"]: row["successor"] for row in run(self._staged, "successors", cuis=cuis)
        }
        self._note_taken([to for cui, to in successors.items() if to not in (None, cui)])
        placed = (self._place(one, successors[one["cui"]]) for one in additions)
        self._write([row for row in placed if row])

    def summary(self) -> Carried:
        """Return the counts."""
        return Carried(
            concepts=self._concepts,
            merged=self._merged,
            properties=dict(self._properties),
            labels=dict(self._labels),
            left_behind=dict(self._left),
        )

    def _note_taken(self, successors: Collection[str]) -> None:
        """Note the properties that concepts have which others were merged into."""
        for row in run(self._live, "own_keys", cuis=successors):
            self._taken[row["cui"]].update(row["keys"])

    def _place(self, one: Row, successor: str | None) -> Row | None:
        """Address what can be carried to ``successor``; list the rest."""
        given = dict(zip(one["keys"], one["values"], strict=True))
        properties = {key: value for key, value in given.items() if is_own_property(key)}
        labels = list(filter(is_own_label, one["labels"]))
        self.labels_seen.update(one["labels"])
        others = {key: value for key, value in given.items() if key not in properties}
        self._leave(one, "not marked as yours", others, set(one["labels"]).difference(labels))
        if successor is None:
            self._leave(one, "concept is gone", properties, labels)
            return None
        if successor != one["cui"]:
            taken = self._taken[successor]
            kept = {key: value for key, value in properties.items() if key in taken}
            self._leave(one, "the concept it was merged into has its own", kept)
            taken.update(properties)
            properties = {key: value for key, value in properties.items() if key not in kept}
            self._merged += 1
        return {"cui": successor, "properties": properties, "labels": labels}

    def _leave(self, one: Row, reason: str, properties: Row, labels: Collection[str] = ()) -> None:
        if properties or labels:
            self._left[reason] += 1
            line = {"cui": one["cui"], "reason": reason, "labels": sorted(labels)}
            line["properties"] = properties
            self._listing.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def _write(self, rows: Collection[Row]) -> None:
        for row in rows:
            self._properties.update(row["properties"].keys())
            self._labels.update(row["labels"])
        vectors = [
            {"cui": row["cui"], "vector": row["properties"].pop(EMBEDDING)}
            for row in rows
            if is_single_precision(row["properties"].get(EMBEDDING))
        ]
        run(self._staged, "add", rows=rows)
        run(self._staged, "add_vectors", rows=vectors, property=EMBEDDING)


def is_single_precision(value: object) -> bool:
    """Tell whether a property is a vector that four bytes a number hold without loss."""
    if not isinstance(value, list) or not value or not isinstance(value[0], float):
        return False
    exact = np.asarray(value)
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    return bool(np.isfinite(rounded).all() and (rounded == exact).all())


def _remake_indexes(live: neo4j.Driver, staged: neo4j.Driver, reporter: Reporter) -> Iterator[str]:
    """Build the indexes on additions that the live graph has and the staged one has not."""
    there = {row["name"] for row in run(staged, "indexes")}
    wanted = [row for row in run(live, "indexes") if row["name"] not in there and _is_own(row)]
    with reporter.step("build your indexes", len(wanted)) as step:
        for row in wanted:
            staged.execute_query(row["statement"])
            await_indexes(staged)
            step.advance()
            yield row["name"]


def _is_own(index: Row) -> bool:
    labels, properties = index["labels"], index["properties"]
    of_concepts = all(label == "Concept" or is_own_label(label) for label in labels)
    return of_concepts and all(map(is_own_property, properties))


def _elsewhere(live: neo4j.Driver, old: Report, seen: Counter[str]) -> Iterator[tuple[str, int]]:
    """Count nodes and relationships that are no load's, concepts with additions apart."""
    nodes, relationships = count_stored(live)
    for label, count in sorted(nodes.items()):
        if label not in old.nodes and count > seen[label]:
            yield f"(:{label})", count - seen[label]
    for type_, count in sorted(relationships.items()):
        if count > old.relationships.get(type_, 0):
            yield f"[:{type_}]", count - old.relationships.get(type_, 0)
