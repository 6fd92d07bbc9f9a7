"""Import files as batches for Cypher: each row once, always in the same order, in lanes.

The import tool joins relationships to nodes by numbers that never enter the graph. Over Bolt, nodes
are found again by their keys, and nodes that hang on an owner are written together with what they
hang on, because some (attributes, mappings) have no key.

Rows are ordered by their content alone, so that a place in that order means the same after a crash
and on another machine. Two lanes of one round never touch the same node; all they can meet at is a
relationship of an earlier round, next to which both want to put one of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from bali_loaders.umls.schema import statements
from bali_loaders.umls.transform import Limits
from bali_loaders.umls.transform.import_files import ImportFile
from bali_loaders.umls.transform.outputs import OUTPUTS
from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_file

Row = tuple[str, Any, Any, dict[str, Any]]
"""Labels or type; key of the start, or keys of the owners; key of the end; properties."""

FEW = 50_000
"""Rows that are not worth parting into lanes."""

CLASSES = 8
"""Nodes are parted into so many classes, by a checksum of their keys; a lane joins two of them."""

# A row that joins nodes of one class goes where that class meets its opposite.
MACROS = f"""
CREATE TEMP MACRO class_of(key) AS (md5_number_lower(key) % {CLASSES})::INTEGER;
CREATE TEMP MACRO other_of(one, two) AS coalesce(nullif(two, one), {CLASSES - 1} - one);
CREATE TEMP MACRO lane_of(one, two) AS
    least(one, other_of(one, two)) * {CLASSES} + greatest(one, other_of(one, two));
"""
KEYS: dict[str, str] = dict(
    re.findall(r"FOR \(n:(\w+)\) REQUIRE n\.(\w+) IS UNIQUE", "\n".join(statements("schema")))
)
"""The unique property of each label that has one."""

HANGS = {
    "has_atom": "atoms",
    "defined_by": "definitions",
    "concept_attributes": "attributes",
    "has_mapping": "mappings",
    "atom_attributes": "attributes",
}
"""Relationships that are written together with the nodes in which they end, owners first."""

SHARED = frozenset({"has_mapping"})
"""Those of them of which a node may have several: there lanes can meet at nodes, too."""


def rounds() -> Iterator[list[int]]:
    """Yield lanes that can be written at once: the node classes pair up as in a tournament.

    >>> [len(lanes) for lanes in rounds()]
    [4, 4, 4, 4, 4, 4, 4]
    """
    others = list(range(1, CLASSES))
    for turn in range(CLASSES - 1):
        seats = [0, *others[turn:], *others[:turn]]
        pairs = zip(seats[: CLASSES // 2], reversed(seats), strict=False)
        yield [min(pair) * CLASSES + max(pair) for pair in pairs]


@dataclass(frozen=True, slots=True)
class Stream:
    """The rows of one import file; ``statement`` writes those whose labels or type are ``{kind}``.

    ``lanes`` maps each lane to the place of its first row and the number of its rows.
    """

    name: str
    statement: str
    lanes: dict[int, tuple[int, int]]

    @property
    def rows(self) -> int:
        """The number of rows in all lanes."""
        return sum(count for _, count in self.lanes.values())

    def writes(self, rows: Sequence[Row]) -> tuple[int, int]:
        """Return how many nodes and relationships the statement makes of ``rows``."""
        if self.name in HANGS:
            return len(rows), sum(len(owners) for _, owners, _, _ in rows)
        return (0, len(rows)) if "CREATE (a)" in self.statement else (len(rows), 0)


class Batches:
    """The import files in ``folder``, put in order once, in a DuckDB file beside them.

    An import file of at most ``few`` rows gets one lane: each statement has to be compiled, and
    lanes multiply statements. Raises :class:`BaliError` where memory or disk do not suffice.
    """

    def __init__(self, folder: Path, limits: Limits, *, few: int = FEW) -> None:
        path = folder / "batches.duckdb"
        config: dict[str, Any] = {
            "memory_limit": limits.memory,
            "temp_directory": str(folder / "spill"),
        }
        if limits.threads:
            config["threads"] = limits.threads
        self._files = {output.name: ImportFile.read(folder, output) for output in OUTPUTS}
        try:
            if not path.exists():
                _prepare(path, self._files, config, few)
            self._database = duckdb.connect(path, read_only=True, config=config)
        except duckdb.OutOfMemoryException as error:
            raise BaliError(
                f"ordering the rows needs more than {limits.memory}: give it more with --memory"
            ) from error
        except duckdb.Error as error:
            raise BaliError(f"{folder}: {str(error).splitlines()[0]}") from error

    def close(self) -> None:
        """Close the file, which stays for the next run."""
        self._database.close()

    def streams(self) -> Iterator[Stream]:
        """Yield the streams that hold anything, in the order in which they must be written."""
        for file in _in_turn(self._files):
            select = f"FROM {file.name} SELECT lane, min(place), count(*) GROUP BY lane"
            lanes = {lane: (first, rows) for lane, first, rows in self._rows(select)}
            if lanes:
                yield Stream(file.name, _statement(file), lanes)

    def read(self, stream: Stream, lane: int, start: int, count: int) -> list[Row]:
        """Return up to ``count`` rows of a lane from its row ``start`` on; threads may call it."""
        first, rows = stream.lanes[lane]
        select = f'FROM {stream.name} SELECT kind, start, "end", properties'
        within = "WHERE place >= $1 AND place < $2 ORDER BY place"
        return self._rows(f"{select} {within}", first + start, first + min(start + count, rows))

    def _rows(self, select: str, *parameters: object) -> list[Any]:
        with self._database.cursor() as cursor:
            return cursor.execute(select, parameters).fetchall()


Files = dict[str, ImportFile]


def _in_turn(files: Files) -> list[ImportFile]:
    """Return nodes, then what hangs on them, then relationships."""
    nodes = [file for file in files.values() if file.output.label]
    hanging = [files[name] for name in HANGS]
    return [*nodes, *hanging, *(f for f in files.values() if f not in nodes and f not in hanging)]


def _statement(file: ImportFile) -> str:
    if file.start is None or file.end is None:
        return "UNWIND $rows AS row CREATE (n:{kind}) SET n = row[2]"
    if file.name in HANGS:
        return (
            f"UNWIND $rows AS row CREATE (n:{file.end}) SET n = row[2] WITH n, row "
            f"UNWIND row[0] AS owner {_match('o', file.start, 'owner')} CREATE (o)-[:{{kind}}]->(n)"
        )
    ends = f"{_match('a', file.start, 'row[0]')} {_match('b', file.end, 'row[1]')}"
    return f"UNWIND $rows AS row {ends} CREATE (a)-[r:{{kind}}]->(b) SET r = row[2]"


def _match(name: str, label: str, value: str) -> str:
    return f"MATCH ({name}:{label} {{{{{KEYS[label]}: {value}}}}})"


def _prepare(path: Path, files: Files, config: dict[str, Any], few: int) -> None:
    with new_file(path) as building, duckdb.connect(building, config=config) as database:
        database.execute("SET enable_progress_bar = false")
        database.execute(MACROS)
        for file in files.values():
            database.execute(f"CREATE TEMP VIEW file_{file.name} AS {file.scan()}")
        for file in files.values():
            if key := KEYS.get(file.output.label or ""):
                keys = f'FROM file_{file.name} SELECT ":ID" AS id, "{key}" AS key'
                database.execute(f"CREATE TEMP TABLE key_{file.output.label} AS {keys}")
        for file in files.values():
            ((rows,),) = database.sql(f"FROM file_{file.name} SELECT count(*)").fetchall()
            ordered = _ordered(file, files, parted=rows > few)
            database.execute(f"CREATE TABLE {file.name} AS {ordered}")


def _ordered(file: ImportFile, files: Files, *, parted: bool) -> str:
    """Part rows of kind, start, end and properties into lanes, and number them in order."""
    if file.output.label:
        rows, key = _nodes(file), "coalesce(start, '')"
    elif file.name in HANGS:
        rows, key = _hanging(file, files[HANGS[file.name]]), "start[1]"
    else:
        rows, key = _relationships(file), "start"
    lane = f'lane_of(class_of({key}), class_of("end"))' if parted else f"{CLASSES - 1}"
    laned = f"FROM ({rows}) SELECT {lane} AS lane, *"
    order = 'lane, kind, start, "end", md5_number_lower(properties::VARCHAR)'
    return f"FROM ({laned} ORDER BY {order}) SELECT row_number() OVER () - 1 AS place, *"


def _nodes(file: ImportFile) -> str:
    """Select the nodes that hang on nothing."""
    key = KEYS.get(file.output.label or "")
    hanging = (
        f'ANTI JOIN file_{name} AS {name} ON {name}.":END_ID" = n.":ID"'
        for name, nodes in HANGS.items()
        if nodes == file.name
    )
    return (
        f"FROM file_{file.name} AS n {' '.join(hanging)} SELECT {file.kind('n')} AS kind, "
        f"{f'n.{key}' if key else 'NULL::VARCHAR'} AS start, "
        f'NULL::VARCHAR AS "end", {file.properties("n")} AS properties'
    )


def _hanging(file: ImportFile, nodes: ImportFile) -> str:
    owners, group = "[a.key]", ""
    if file.name in SHARED:
        owners, group = "list(a.key ORDER BY a.key)", 'GROUP BY r.":END_ID"'
    owned = (
        f'FROM file_{file.name} AS r JOIN key_{file.start} AS a ON a.id = r.":START_ID" '
        f'SELECT r.":END_ID" AS id, {owners} AS owners {group}'
    )
    return (
        f'FROM ({owned}) AS owned JOIN file_{nodes.name} AS n ON n.":ID" = owned.id '
        f"SELECT '{file.output.type}' AS kind, owners AS start, "
        f'NULL::VARCHAR AS "end", {nodes.properties("n")} AS properties'
    )


def _relationships(file: ImportFile) -> str:
    return (
        f"FROM file_{file.name} AS r "
        f'JOIN key_{file.start} AS a ON a.id = r.":START_ID" '
        f'JOIN key_{file.end} AS b ON b.id = r.":END_ID" '
        f"SELECT {file.kind('r')} AS kind, a.key AS start, "
        f'b.key AS "end", {file.properties("r")} AS properties'
    )
