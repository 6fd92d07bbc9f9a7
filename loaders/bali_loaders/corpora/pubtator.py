"""PubTator: ``id|t|title``, ``id|a|abstract``, then a line of six or more columns a mention."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bali_loaders.corpora.documents import Annotation, Document, lines_of
from bali_platform.errors import BaliError

__all__ = ["read_pubtator"]

_TEXT = re.compile(r"([^|\t]+)\|([a-z])\|(.*)")
_SEVERAL = re.compile(r"[|;,+]")


def read_pubtator(path: Path) -> Iterator[Document]:
    """Yield the documents of a PubTator file. Title and abstract are parted by one character.

    Composite identifiers (``D003|D004``, ``D003+D004``) are several; relation lines are passed by.
    """
    document: str | None = None
    texts: list[str] = []
    annotations: list[Annotation] = []
    for number, line in lines_of(path):
        where = f"{path}, line {number}"
        if text := _TEXT.fullmatch(line):
            if text[1] != document and document is not None:
                yield Document(document, " ".join(texts), tuple(annotations))
                texts, annotations = [], []
            document = text[1]
            texts.append(text[3])
        elif line.strip():
            columns = line.split("\t")
            if columns[0] != document:
                raise BaliError(
                    f"{where}: an annotation of '{columns[0]}' without its text before it"
                )
            if len(columns) >= 5 and columns[1].isdigit():
                annotations.append(_annotation(columns, where))
    if document is not None:
        yield Document(document, " ".join(texts), tuple(annotations))


def _annotation(columns: list[str], where: str) -> Annotation:
    if not columns[2].isdigit():
        raise BaliError(f"{where}: '{columns[2]}' is not the offset of a mention's end")
    identifiers = columns[5] if len(columns) > 5 else ""
    return Annotation(
        start=int(columns[1]),
        end=int(columns[2]),
        identifiers=tuple(part.strip() for part in _SEVERAL.split(identifiers) if part.strip()),
        kind=columns[4],
        surface=columns[3],
    )
