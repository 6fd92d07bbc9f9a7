"""JSON files and JSON lines: BioC, BERN2, BigBio, and objects that people make themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from bali_loaders.corpora.bioc import bioc_document
from bali_loaders.corpora.documents import (
    Annotation,
    Document,
    lines_of,
    open_bytes,
    split_identifiers,
)
from bali_platform.base.errors import BaliError

Json = Mapping[str, Any]
ID_KEYS = ("id", "doc_id", "document_id", "document", "pmid", "PMID")
_MENTION_KEYS = ("mentions", "entities", "annotations")
_IDENTIFIER_KEYS = ("cui", "identifiers", "identifier", "id", "concept", "concept_id")
_WRONG = (ValueError, KeyError, TypeError, IndexError, AttributeError)


def read_json(path: Path) -> Iterator[Document]:
    """Yield the documents of a file that is one JSON value: a document, a list, a collection."""
    with open_bytes(path) as file:
        try:
            content = json.load(file)
        except (ValueError, EOFError, OSError) as error:
            hint = ": name files with one object a line .jsonl" if "Extra" in str(error) else ""
            raise BaliError(f"{path}: not JSON ({error}){hint}") from None
    documents = content
    if isinstance(content, dict):
        documents = content.get("documents") or content.get("PubTator3") or [content]
    for number, document in enumerate(documents, 1):
        try:
            yield _document(document, str(number))
        except _WRONG as error:
            name = document.get("id", number) if isinstance(document, dict) else number
            raise BaliError(
                f"{path}: document {name} is of no known format ({type(error).__name__}: {error})"
            ) from None


def read_jsonl(path: Path) -> Iterator[Document]:
    """Yield one document a line.

    An object has ``text`` or ``tokens``, and ``mentions`` if known. A mention is an object with
    ``start``, ``end`` and ``cui`` (or ``identifiers``), or an array ``[first, last, id]``. They
    count characters of ``text``; or, with ``tokens``, these. BioC, BERN2 and BigBio objects are
    known by their shape.
    """
    for number, line in lines_of(path):
        if not line.strip():
            continue
        try:
            yield _document(json.loads(line), str(number))
        except _WRONG as error:
            raise BaliError(
                f"{path}, line {number}: not a document with text and mentions "
                f"({type(error).__name__}: {error})"
            ) from None


def first_of(row: Json, keys: Sequence[str]) -> Any:
    """Return the first value that is there, None if there is none."""
    return next((row[key] for key in keys if row.get(key) is not None), None)


def _document(row: Json, number: str) -> Document:
    if "passages" in row:
        is_bigbio = any("offsets" in passage for passage in row["passages"])
        return _from_bigbio(row, number) if is_bigbio else bioc_document(row)
    mentions = first_of(row, _MENTION_KEYS) or ()
    name = str(first_of(row, ID_KEYS) or number)
    if row.get("tokens") is not None:
        return _from_tokens(name, row["tokens"], mentions)
    return Document(name, row["text"], tuple(map(_mention, mentions)))


def _from_tokens(name: str, tokens: Sequence[str], mentions: Sequence[Any]) -> Document:
    starts = [0]
    for token in tokens:
        starts.append(starts[-1] + len(token) + 1)
    annotations = []
    for mention in map(_mention, mentions):
        if not 0 <= mention.start < mention.end <= len(tokens):
            raise IndexError(f"no tokens {mention.start} to {mention.end} among {len(tokens)}")
        span = starts[mention.start], starts[mention.end] - 1
        annotations.append(Annotation(*span, mention.identifiers, mention.kind))
    return Document(name, " ".join(tokens), tuple(annotations))


def _mention(mention: Any) -> Annotation:
    if not isinstance(mention, dict):
        return Annotation(int(mention[0]), int(mention[1]), _identifiers(mention[2]))
    if "span" in mention:
        return _from_bern2(mention)
    kind = str(mention.get("type") or "")
    return Annotation(
        start=int(mention["start"]),
        end=int(mention["end"]),
        identifiers=_identifiers(first_of(mention, _IDENTIFIER_KEYS) or (), kind),
        kind=kind,
        surface=mention.get("text"),
    )


def _from_bern2(mention: Json) -> Annotation:
    kind, span = str(mention.get("obj") or ""), mention["span"]
    return Annotation(
        start=int(span["begin"]),
        end=int(span["end"]),
        identifiers=_identifiers(mention.get("id") or (), kind),
        kind=kind,
        surface=mention.get("mention"),
    )


def _from_bigbio(row: Json, number: str) -> Document:
    """Read the knowledge-base schema of BigBio: passages and entities with lists of offsets."""
    text = ""
    for passage in row["passages"]:
        for part, (start, _) in zip(passage["text"], passage["offsets"], strict=True):
            text += " " * (start - len(text)) + part
    annotations = tuple(_bigbio_entity(entity) for entity in row.get("entities", ()))
    name = first_of(row, ("document_id", "id")) or number
    return Document(str(name), text, annotations)


def _bigbio_entity(entity: Json) -> Annotation:
    spots, found = entity["offsets"], entity.get("normalized", ())
    kind = str(entity.get("type") or "")
    return Annotation(
        start=min(start for start, _ in spots),
        end=max(end for _, end in spots),
        identifiers=tuple(
            identifier
            for entry in found
            for identifier in _qualified(str(entry.get("db_name") or ""), entry["db_id"])
        ),
        kind=kind,
        surface=entity["text"][0],
        discontinuous=len(spots) > 1,
    )


def _qualified(vocabulary: str, identifiers: Any) -> list[str]:
    parts = _identifiers(identifiers)
    return [part if ":" in part or not vocabulary else f"{vocabulary}:{part}" for part in parts]


def _identifiers(found: Any, kind: str = "") -> tuple[str, ...]:
    several = [found] if isinstance(found, str) else [str(part) for part in found]
    return tuple(chain.from_iterable(split_identifiers(part, kind) for part in several))
