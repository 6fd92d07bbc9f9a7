"""JSON files and JSON lines: BioC, BERN2, BigBio, annotation tools, objects of one's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from typing import Any

from bali_loaders.corpora.documents import Document, MalformedError
from bali_loaders.corpora.json_objects import documents_in, read_object
from bali_loaders.corpora.sources import Source, lines_of, text_of
from bali_platform.base.errors import BaliError

_BREAK = "\n\n"
_WRONG = (ValueError, KeyError, TypeError, IndexError, AttributeError)


def read_json(source: Source) -> Iterator[Document]:
    """Yield the documents of a file that is one JSON value: a document, a list, a collection.

    A file that holds a value a line is read as such.
    """
    text = text_of(source)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error):
            yield from read_jsonl(source)
            return
        raise BaliError(f"{source.path}: not JSON ({error})") from None
    for number, value in enumerate(documents_in(content), 1):
        name = value.get("id") if isinstance(value, dict) else None
        yield from _read(value, str(number), f"document {name or number}", source)


def read_jsonl(source: Source) -> Iterator[Document]:
    """Yield the documents of a file that is one JSON value a line.

    Lines of tokens that follow each other under one id are the sentences of a document.
    """
    for sentences_of, rows in groupby(_read_lines(source), key=lambda row: row[0]):
        documents = (document for _, document in rows)
        yield from documents if sentences_of is None else [_joined(list(documents))]


def _read_lines(source: Source) -> Iterator[tuple[str | None, Document]]:
    """Yield documents, and first of each its id if it is a line of tokens."""
    for number, line in lines_of(source):
        if not line.strip():
            continue
        try:
            values = list(documents_in(json.loads(line)))
        except (ValueError, RecursionError) as error:
            source.fault(f"line {number}", f"not JSON ({error})")
            continue
        for place, value in enumerate(values):
            name = f"{number}.{place}" if place else str(number)
            for document in _read(value, name, f"line {number}", source):
                yield document.id if "tokens" in value else None, document


def _joined(sentences: list[Document]) -> Document:
    """Return sentences as the paragraphs of one document."""
    annotations, start = [], 0
    for sentence in sentences:
        annotations += [
            replace(marked, start=start + marked.start, end=start + marked.end)
            for marked in sentence.annotations
        ]
        start += len(sentence.text) + len(_BREAK)
    return Document(
        sentences[0].id,
        _BREAK.join(sentence.text for sentence in sentences),
        tuple(annotations),
        losses=tuple(loss for sentence in sentences for loss in sentence.losses),
    )


def _read(value: Any, name: str, place: str, source: Source) -> Iterator[Document]:
    try:
        document = read_object(value, name)
    except MalformedError as error:
        source.fault(place, f"not a document with text and mentions: {error}")
    except _WRONG as error:
        reason = f"{type(error).__name__}: {error}"
        source.fault(place, f"not a document with text and mentions ({reason})")
    else:
        yield document
