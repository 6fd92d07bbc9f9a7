"""A release of any knowledge graph: a table of nodes and a table of edges.

Nothing in the platform is tied to the UMLS but the layout of its files. Written in that layout,
another graph is loaded, verified, upgraded and trained on as the UMLS is.
"""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from bali_loaders.releases.identifiers import Numbering
from bali_loaders.releases.quoting import quoting_of
from bali_loaders.releases.rrf import tidy
from bali_loaders.releases.writing import documentation, new_release, write_file
from bali_platform.base.errors import BaliError, UsageError, did_you_mean
from bali_platform.base.progress import QUIET, Reporter

NODE_COLUMNS = ("id", "name", "synonyms", "type", "definition")
EDGE_COLUMNS = ("source", "target", "type")
EMPTY = ("CHANGE/DELETEDCUI", "CHANGE/MERGEDCUI", "MRCUI", "MRHIER", "MRMAP", "MRSAT")
TERM_TYPES = {"PT": "designated preferred name", "SY": "designated synonym"}

# A cell may hold a book. The module's own limit, 128 kB, is for the whole process.
csv.field_size_limit(1 << 30)

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A line of the table of nodes: ``names`` best first, ``type`` and ``definition`` or empty."""

    id: str
    names: tuple[str, ...]
    type: str
    definition: str


def write(
    nodes: Path, edges: Path, folder: Path, *, source: str, reporter: Reporter = QUIET
) -> None:
    """Write the release of two tables to ``folder``; the same tables give the same rows.

    Tables are CSV, or TSV by their ending, in UTF-8 with a header. Nodes have ``id`` and ``name``,
    and may have ``synonyms`` (between ``|``), ``type`` and ``definition``; edges have ``source``,
    ``target`` (ids) and ``type``. In a TSV, quotes may be bare. Ids become CUIs as they are, types
    of nodes semantic types, types of edges relationship types; ``source`` is the abbreviation of
    the one vocabulary.

    Raises :class:`BaliError` naming file and line of what cannot be read: a missing or repeated id,
    a missing name, an edge of an unknown node.
    """
    with reporter.step(f"read {nodes.name}"):
        known = _read_nodes(nodes)
    with new_release(
        folder,
        version=f"{source}-{_digest(nodes, edges)}",
        date=datetime.now(UTC).strftime("%Y%m%d"),
        description=f"{nodes.name} and {edges.name}",
        reporter=reporter,
    ) as release:
        files = _files(known, source)
        files["MRREL"] = _relations(edges, nodes, known, source)
        with reporter.step("write release", len(files) + len(EMPTY)) as step:
            for name, rows in (files | dict.fromkeys(EMPTY, ())).items():
                write_file(release, name, rows)
                step.advance()


def _digest(*tables: Path) -> str:
    total = blake2b(digest_size=4)
    for path in tables:
        with _explained(path):
            total.update(path.read_bytes())
    return total.hexdigest()


def _read_nodes(path: Path) -> dict[str, Node]:
    known: dict[str, Node] = {}
    for line, row in table_rows(path, NODE_COLUMNS, required=2):
        identifier, name, synonyms, kind, definition = row
        if not identifier or not name:
            raise BaliError(f"{path}, line {line}: a node needs both id and name")
        if "|" in identifier:
            raise BaliError(f"{path}, line {line}: id '{identifier}' holds a '|'")
        if identifier in known:
            raise BaliError(f"{path}, line {line}: id '{identifier}' is there already")
        names = dict.fromkeys(tidy(text) for text in (name, *synonyms.split("|")))
        known[identifier] = Node(
            identifier, tuple(filter(None, names)), tidy(kind), tidy(definition)
        )
    if not known:
        raise BaliError(f"{path} has no nodes below its header")
    return known


def _files(known: dict[str, Node], source: str) -> dict[str, Iterable[Row]]:
    return {
        "MRCONSO": _atoms(known.values(), source),
        "MRSTY": _types(known.values()),
        "MRDEF": _definitions(known.values(), source),
        "MRRANK": [("2", source, "PT", "N"), ("1", source, "SY", "N")],
        "MRSAB": [_vocabulary(known, source)],
        "MRDOC": documentation(
            version=source,
            inverses={},
            term_types=TERM_TYPES,
            attributes={},
            languages={"ENG": "English"},
        ),
    }


def _atoms(nodes: Iterable[Node], source: str) -> Iterator[Row]:
    """Yield MRCONSO; atoms count up, so that names keep the order of the table."""
    number = 0
    for node in nodes:
        for place, name in enumerate(node.names):
            number += 1
            ts, tty = ("S", "SY") if place else ("P", "PT")
            ids = f"L{number:09}", "PF", f"S{number:09}", "Y", f"A{number:09}"
            code = ("", node.id, "", source, tty, node.id, name, "0", "N", "")
            yield (node.id, "ENG", ts, *ids, *code)


def _types(nodes: Iterable[Node]) -> Iterator[Row]:
    number, attribute = Numbering("T", digits=6), Numbering("AT", digits=9)
    for node in nodes:
        if node.type:
            tui = number(node.type)
            yield node.id, tui, f"Z{tui[1:]}", node.type, attribute("MRSTY", node.id), ""


def _definitions(nodes: Iterable[Node], source: str) -> Iterator[Row]:
    number = Numbering("AT", digits=9)
    for node in nodes:
        if node.definition:
            atui = number("MRDEF", node.id)
            yield node.id, "", atui, "", source, node.definition, "N", ""


def _relations(path: Path, nodes: Path, known: dict[str, Node], source: str) -> Iterator[Row]:
    """Yield MRREL, in which the second concept has the relation to the first."""
    with closing(table_rows(path, EDGE_COLUMNS, required=3)) as rows:
        for number, (line, (start, end, kind)) in enumerate(rows, 1):
            for column, value in (("source", start), ("target", end)):
                if value not in known:
                    raise BaliError(
                        f"{path}, line {line}: {column} '{value}' is no id in {nodes.name}"
                    )
            if not kind:
                raise BaliError(f"{path}, line {line}: an edge needs a type")
            ends = (end, "", "CUI", "RO", start, "", "CUI", tidy(kind))
            yield (*ends, f"R{number:09}", "", source, source, "", "Y", "N", "")


def _vocabulary(known: dict[str, Node], source: str) -> Row:
    names = sum(len(node.names) for node in known.values())
    counts = "0", str(names), str(len(known)), "", "PT,SY", ""
    return (
        *("", "", source, source, source, source, "", "", "", "", "", "", ""),
        *(*counts, "ENG", "UTF-8", "Y", "Y", source, ""),
    )


def table_rows(
    path: Path, columns: Sequence[str], *, required: int
) -> Generator[tuple[int, list[str]]]:
    """Yield line number and cells, in the order of ``columns``, of which some must be there."""
    delimiter = "\t" if path.suffix == ".tsv" else ","
    with _explained(path), path.open(encoding="utf-8-sig", newline="") as stream:
        quoting = quoting_of(stream, delimiter)
        stream.seek(0)
        reader = csv.reader(stream, delimiter=delimiter, quoting=quoting, strict=True)
        header = [cell.strip().lower() for cell in next(reader, [])]
        for name in columns[:required]:
            if name not in header:
                hint = did_you_mean(name, header)
                raise UsageError(f"{path}: no column '{name}'{hint}; it needs a header with it")
        places = [header.index(name) if name in header else None for name in columns]
        for row in reader:
            if row and len(row) != len(header):
                where = f"{path}, line {reader.line_num}"
                raise BaliError(f"{where}: {len(row)} cells, the header has {len(header)}")
            if row:
                yield reader.line_num, ["" if at is None else row[at].strip() for at in places]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BaliError(f"{path} is not UTF-8 at byte {error.start + 1}") from None
    except csv.Error as error:
        raise BaliError(f"{path} is not a table: {error}") from None
