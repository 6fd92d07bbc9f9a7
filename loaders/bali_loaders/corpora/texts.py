"""Plain text, and plain text with marks beside it: brat's standoff."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bali_loaders.corpora.codes import is_identifier, split_identifiers
from bali_loaders.corpora.documents import Annotation, Document, MalformedError, Relation, hull
from bali_loaders.corpora.pubtator import is_pubtator, read_pubtator
from bali_loaders.corpora.sources import Source, lines_of, text_of
from bali_platform.base.errors import BaliError

_NO_TEXT = {
    r"\{\\rtf": "RTF of a word processor: save it as plain text",
    r"%PDF-": "a PDF: take its text out of it, as pdftotext does",
    r"(?i:<!doctype html|<html)": "a web page: save it as plain text",
    r"<\?xml": "XML: name it .xml",
    r"MSH\|": "HL7 messages: write the texts of their OBX segments, one a file or a row",
    r"PMID-\s": "PubMed's text format: fetch the citations as XML",
    r"-DOCSTART-|\S+(?:\t\S+)*\t(?:O|[BIES]-\w+)$": (
        "tags of tokens: write JSON lines of tokens, and marks with the tokens that each has"
    ),
}
"""How files begin that are often called ``.txt`` and are no notes, and what to do about it."""
_MARKED = re.compile(r"(\S+) (\d+ \d+(?:;\d+ \d+)*)")


def read_text(source: Source) -> Iterator[Document]:
    """Yield the document that a text is, as it is; with its marks, if there is an ``.ann``.

    Corpora in PubTator's format are often called ``.txt``: they are known by their first line.
    Raises :class:`BaliError` for what the first line shows to be of another format.
    """
    first = next((line for _, line in lines_of(source) if line.strip()), "").lstrip("\ufeff")
    if is_pubtator(first):
        yield from read_pubtator(source)
        return
    for begins, what in _NO_TEXT.items():
        if re.match(begins, first):
            raise BaliError(f"{source.path}: no plain text, but {what}")
    yield _document(source)


def read_brat(source: Source) -> Iterator[Document]:
    """Yield the document of an ``.ann``, whose text is beside it."""
    text = source.path.with_suffix(".txt")
    if not text.is_file():
        raise BaliError(f"{source.path}: no {text.name} beside it, the text that it marks")
    name = str(Path(source.name).with_suffix(".txt"))
    yield from read_text(replace(source, path=text, name=name))


def _document(source: Source) -> Document:
    text, marks = text_of(source), source.path.with_suffix(".ann")
    if source.path.suffix != ".txt" or not marks.is_file():
        return Document(source.name, text)
    standoff = _Standoff(text)
    for number, line in lines_of(replace(source, path=marks)):
        try:
            standoff.add(line)
        except MalformedError as error:
            raise BaliError(f"{marks}, line {number}: {error}") from None
    return standoff.document(source.name)


@dataclass
class _Standoff:
    """What the lines of an ``.ann`` say of a text."""

    text: str
    marks: dict[str, Annotation] = field(default_factory=dict)
    identifiers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    related: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Take a line: a mark (T), a reference (N), a note (#), a relation (R); no others."""
        name, *rest = line.split("\t")
        if name.startswith("T"):
            self.marks[name] = self._mark(rest)
        elif name.startswith("N") and rest and len(words := rest[0].split()) == 3:
            self.identifiers[words[1]].append(words[2])
        elif name.startswith("#") and len(rest) > 1 and len(words := rest[0].split()) == 2:
            notes = split_identifiers(rest[1])
            self.identifiers[words[1]] += [note for note in notes if is_identifier(note)]
        elif name.startswith("R") and rest and len(words := rest[0].split()) == 3:
            first, second = (word.partition(":")[2] for word in words[1:])
            self.related.append((words[0], first, second))

    def document(self, name: str) -> Document:
        """Return the document."""
        known = {mark: self._identified(mark) for mark in self.marks}
        relations = (
            Relation(kind, known[first].identifiers[0], known[second].identifiers[0])
            for kind, first, second in self.related
            if all(end in known and known[end].identifiers for end in (first, second))
        )
        return Document(name, self.text, tuple(known.values()), tuple(relations))

    def _mark(self, rest: list[str]) -> Annotation:
        marked = _MARKED.fullmatch(rest[0].strip()) if rest else None
        if not marked:
            raise MalformedError("a T line is 'T1', a tab, 'Type start end', a tab, the text")
        pairs = (spot.split() for spot in marked[2].split(";"))
        start, end, parted = hull([(int(first), int(last)) for first, last in pairs], self.text)
        surface = rest[1] if len(rest) > 1 else None
        return Annotation(start, end, (), marked[1], surface, discontinuous=parted)

    def _identified(self, name: str) -> Annotation:
        mark = self.marks[name]
        own = [mark.kind] if is_identifier(mark.kind) else []
        return replace(mark, identifiers=tuple(dict.fromkeys(self.identifiers[name] or own)))
