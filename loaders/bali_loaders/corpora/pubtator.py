"""PubTator: ``id|t|title``, ``id|a|abstract``, then a line of six or more columns a mention."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from bali_loaders.corpora.codes import split_identifiers
from bali_loaders.corpora.documents import Annotation, Document, MalformedError, Relation
from bali_loaders.corpora.sources import Source, lines_of

_TEXT = re.compile(r"([^|\t]+)\|([a-z])\|(.*)")
_NUMBER = re.compile(r"-?\d+")

Lines = list[tuple[int, str]]


def is_pubtator(line: str) -> bool:
    """Tell whether a line is the title of a document in this format.

    >>> is_pubtator("6794356|t|Lithium in newborns."), is_pubtator("doc-7.a/b|t|Fever")
    (True, True)
    """
    return re.match(r"[^|\s]{1,100}\|t\|", line) is not None


def read_pubtator(source: Source) -> Iterator[Document]:
    """Yield the documents of a PubTator file. Title and abstract are parted by one character.

    Composite identifiers (``D003|D004``, ``D003+D004``) are several.
    """
    for lines in _blocks(lines_of(source)):
        try:
            yield _document(lines)
        except MalformedError as error:
            source.fault(f"line {error.args[1]}", error.args[0])


def _blocks(lines: Iterable[tuple[int, str]]) -> Iterator[Lines]:
    """Yield the lines of each document: from its first text to the next one's."""
    block: Lines = []
    name: str | None = None
    for number, line in lines:
        text = _TEXT.fullmatch(line)
        if text and (text[1] != name or text[2] == "t"):
            if block:
                yield block
            block, name = [], text[1]
        if line.strip():
            block.append((number, line))
    if block:
        yield block


def _document(lines: Lines) -> Document:
    name: str | None = None
    texts: list[str] = []
    annotations: list[Annotation] = []
    relations: list[Relation] = []
    for number, line in lines:
        columns = line.split("\t")
        if text := _TEXT.fullmatch(line):
            name = text[1]
            texts.append(text[3])
        elif name is None or columns[0] != name:
            raise MalformedError(_out_of_place(name, columns, number), number)
        elif len(columns) >= 4 and _NUMBER.fullmatch(columns[1]):
            annotations.append(_annotation(columns, number))
        elif len(columns) >= 4:
            relations.append(Relation(*columns[1:4]))
        else:
            raise MalformedError(f"{len(columns)} columns, where a mention has six", number)
    return Document(name or "", " ".join(texts), tuple(annotations), tuple(relations))


def _out_of_place(name: str | None, columns: list[str], number: int) -> str:
    if len(columns) == 1:
        if name is None:
            return "no 'id|t|title' before this line: is it PubTator?"
        return f"the text of {name} goes on in line {number}: put it on one line"
    return f"an annotation of '{columns[0]}' without its text before it"


def _annotation(columns: list[str], number: int) -> Annotation:
    if not _NUMBER.fullmatch(columns[2]):
        raise MalformedError(f"'{columns[2]}' is not the offset of a mention's end", number)
    kind, identifiers = [*columns[4:6], "", ""][:2]
    return Annotation(
        start=int(columns[1]),
        end=int(columns[2]),
        identifiers=split_identifiers(identifiers, kind),
        kind=kind,
        surface=columns[3],
    )
