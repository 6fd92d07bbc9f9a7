"""PubTator: ``id|t|title``, ``id|a|abstract``, then a line of six or more columns a mention."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bali_loaders.corpora.documents import (
    Annotation,
    Document,
    Relation,
    lines_of,
    split_identifiers,
)
from bali_platform.base.errors import BaliError

_TEXT = re.compile(r"([^|\t]+)\|([a-z])\|(.*)")


def is_pubtator(line: str) -> bool:
    """Tell whether a line is the title of a document in this format.

    >>> is_pubtator("6794356|t|Lithium in newborns.")
    True
    """
    return re.match(r"\w+\|t\|", line) is not None


def read_pubtator(path: Path) -> Iterator[Document]:
    """Yield the documents of a PubTator file. Title and abstract are parted by one character.

    Composite identifiers (``D003|D004``, ``D003+D004``) are several.
    """
    name: str | None = None
    texts: list[str] = []
    annotations: list[Annotation] = []
    relations: list[Relation] = []
    for number, line in lines_of(path):
        where = f"{path}, line {number}"
        if text := _TEXT.fullmatch(line):
            if name is not None and (text[1] != name or text[2] == "t"):
                yield Document(name, " ".join(texts), tuple(annotations), tuple(relations))
                texts, annotations, relations = [], [], []
            name = text[1]
            texts.append(text[3])
        elif line.strip():
            columns = line.split("\t")
            if columns[0] != name:
                raise BaliError(
                    f"{where}: an annotation of '{columns[0]}' without its text before it"
                )
            if len(columns) >= 5 and columns[1].isdigit():
                annotations.append(_annotation(columns, where))
            elif len(columns) >= 4:
                relations.append(Relation(*columns[1:4]))
    if name is not None:
        yield Document(name, " ".join(texts), tuple(annotations), tuple(relations))


def _annotation(columns: list[str], where: str) -> Annotation:
    if not columns[2].isdigit():
        raise BaliError(f"{where}: '{columns[2]}' is not the offset of a mention's end")
    return Annotation(
        start=int(columns[1]),
        end=int(columns[2]),
        identifiers=split_identifiers(columns[5] if len(columns) > 5 else "", columns[4]),
        kind=columns[4],
        surface=columns[3],
    )
