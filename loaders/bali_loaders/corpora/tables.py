"""JSON lines, CSV and plain text: the formats that people make themselves."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bali_loaders.corpora.documents import Annotation, Document, lines_of
from bali_platform.errors import BaliError, did_you_mean

__all__ = ["read_csv", "read_jsonl", "read_text"]

_ID_KEYS = ("id", "doc_id", "document", "pmid", "PMID")
_MENTION_KEYS = ("mentions", "entities", "annotations")
_IDENTIFIER_KEYS = ("cui", "identifiers", "identifier", "id", "concept", "concept_id")


def read_jsonl(path: Path) -> Iterator[Document]:
    """Yield one document a line: an object with ``text`` or ``tokens``, and ``mentions`` if known.

    A mention is an object with ``start``, ``end`` and ``cui`` (or ``identifiers``), or an array
    ``[first, last, id]``. They count characters of ``text``; or, with ``tokens``, these.
    """
    for number, line in lines_of(path):
        if not line.strip():
            continue
        try:
            yield _from_object(json.loads(line), str(number))
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise BaliError(
                f"{path}, line {number}: not a document with text and mentions "
                f"({type(error).__name__}: {error})"
            ) from None


def read_csv(path: Path) -> Iterator[Document]:
    """Yield one document a row of a CSV (or ``.tsv``) file with a column ``text``, maybe ``id``."""
    lines = (line + "\n" for _, line in lines_of(path))
    dialect = "excel-tab" if ".tsv" in path.suffixes else "excel"
    rows = csv.DictReader(lines, dialect=dialect, strict=True)
    columns = rows.fieldnames or ()
    if "text" not in columns:
        raise BaliError(f"{path}: no column 'text'{did_you_mean('text', columns)}")
    try:
        for number, row in enumerate(rows, 1):
            yield Document(_first(row, _ID_KEYS) or str(number), row["text"] or "")
    except csv.Error as error:
        raise BaliError(f"{path}, line {rows.line_num}: {error}") from None


def read_text(path: Path) -> Iterator[Document]:
    """Yield one document a block of plain text; blank lines part them."""
    block: list[str] = []
    first = 1
    for number, line in lines_of(path):
        if line.strip():
            first = first if block else number
            block.append(line)
        elif block:
            yield Document(f"{path.name}:{first}", " ".join(block))
            block = []
    if block:
        yield Document(f"{path.name}:{first}", " ".join(block))


def _from_object(row: Mapping[str, Any], number: str) -> Document:
    mentions = _first(row, _MENTION_KEYS) or ()
    tokens: Sequence[str] | None = row.get("tokens")
    name = str(_first(row, _ID_KEYS) or number)
    if tokens is None:
        return Document(name, row["text"], tuple(map(_mention, mentions)))
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token) + 1)
    annotations = [
        Annotation(starts[m.start], starts[m.end] - 1, m.identifiers, m.kind)
        for m in map(_mention, mentions)
    ]
    return Document(name, " ".join(tokens), tuple(annotations))


def _mention(mention: Any) -> Annotation:
    if isinstance(mention, dict):
        start, end = int(mention["start"]), int(mention["end"])
        ids = _first(mention, _IDENTIFIER_KEYS) or ()
        kind, surface = str(mention.get("type") or ""), mention.get("text")
    else:
        start, end, ids = int(mention[0]), int(mention[1]), mention[2]
        kind, surface = "", None
    identifiers = (ids,) if isinstance(ids, str) else tuple(map(str, ids))
    return Annotation(start, end, identifiers, kind, surface)


def _first(row: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((row[key] for key in keys if row.get(key) is not None), None)
