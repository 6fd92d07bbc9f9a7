"""XML files, one document in memory at a time: BioC collections and PubMed's citations."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from typing import IO
from xml.etree.ElementTree import Element, TreeBuilder

# Expat bounds the expansion of entities, and loads nothing from elsewhere.
from xml.parsers import expat

from bali_loaders.corpora.bioc import bioc_element
from bali_loaders.corpora.documents import Document, MalformedError
from bali_loaders.corpora.pubmed import deleted_citations, pubmed_citation
from bali_loaders.corpora.sources import Source, unpacked
from bali_platform.base.errors import BaliError

Convert = Callable[[Element, str, Source], list[Document]]
_CHUNK = 1 << 14
_DEEPEST = 1_000


def _citation(element: Element, name: str, source: Source) -> list[Document]:
    if citation := pubmed_citation(element):
        return [citation]
    if source.notes:
        source.notes.counts["retracted publications"] += 1
    return []


_PUBMED: dict[str, Convert] = {
    "PubmedArticle": _citation,
    "PubmedBookArticle": _citation,
    "DeleteCitation": lambda element, name, source: deleted_citations(element),
}
_MEDLINE: dict[str, Convert] = {"MedlineCitation": _citation, **_PUBMED}
_KINDS: dict[str, dict[str, Convert]] = {
    "collection": {"document": lambda element, name, source: [bioc_element(element, name)]},
    "PubmedArticleSet": _PUBMED,
    "PubmedBookArticleSet": _PUBMED,
    "MedlineCitationSet": _MEDLINE,
    "PubmedArticle": _PUBMED,
}


def read_xml(source: Source) -> Iterator[Document]:
    """Yield the documents of a BioC collection or a ``PubmedArticleSet``, whichever it is.

    Several XML documents may follow each other in a file.
    """
    number = 0
    with unpacked(source.path) as file:
        try:
            for root, element in _elements(file, source):
                if element.tag not in _KINDS[root.tag]:
                    continue
                number += 1
                yield from _converted(root, element, number, source)
                root.clear()
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise BaliError(f"{source.path}: not well-formed XML ({error})") from None


def _converted(root: Element, element: Element, number: int, source: Source) -> list[Document]:
    try:
        return _KINDS[root.tag][element.tag](element, str(number), source)
    except MalformedError as error:
        name = element.findtext("id") or number
        source.fault("", f"document {name} is incomplete ({error})")
        return []


def _elements(file: IO[bytes], source: Source) -> Iterator[tuple[Element, Element]]:
    """Yield (root, element) for each element as it ends, of one XML document after the other."""
    parser = _Parser(source)
    kept = b""
    while chunk := file.read(_CHUNK):
        kept, begins = kept[-_CHUNK:] + chunk, len(chunk)
        while begins:
            try:
                parser.feed(kept[-begins:])
                begins = 0
            except expat.ExpatError:
                if not parser.finished:
                    raise
                begins = parser.read + begins - parser.expat.ErrorByteIndex
            yield from parser.taken()
            if begins:
                parser = _Parser(source)
    if not parser.finished:
        parser.feed(b"", last=True)


class _Parser:
    """Builds the elements of one XML document, without namespaces."""

    def __init__(self, source: Source) -> None:
        own = None if source.encoding == "utf-8" else source.encoding
        self.expat = expat.ParserCreate(own, "}")
        self.expat.StartElementHandler = self._start
        self.expat.EndElementHandler = self._end
        self.expat.CharacterDataHandler = self._text
        self.expat.DefaultHandlerExpand = self._other
        self.read = 0
        self._source, self._builder = source, TreeBuilder()
        self._open: list[Element] = []
        self._root: Element | None = None
        self._ended: list[tuple[Element, Element]] = []

    @property
    def finished(self) -> bool:
        """Whether the root has ended."""
        return self._root is not None and not self._open

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """Parse some more bytes."""
        self.expat.Parse(data, last)
        self.read += len(data)

    def taken(self) -> Iterator[tuple[Element, Element]]:
        """Yield what has ended since the last call."""
        ended, self._ended = self._ended, []
        yield from ended

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = name.rpartition("}")[2]
        if self._root is None and tag not in _KINDS:
            known = ", ".join(_KINDS)
            raise BaliError(f"{self._source.path}: <{tag}> begins no known format: one of {known}")
        if len(self._open) == _DEEPEST:
            raise BaliError(f"{self._source.path}: elements are nested too deep")
        self._open.append(self._builder.start(tag, attributes))
        self._root = self._root if self._root is not None else self._open[0]

    def _end(self, name: str) -> None:
        element = self._builder.end(name.rpartition("}")[2])
        self._open.pop()
        if self._root is not None:
            self._ended.append((self._root, element))

    def _text(self, text: str) -> None:
        if self._open:
            self._builder.data(text)

    def _other(self, text: str) -> None:
        """Take an entity of a DTD that is not there for the character that HTML means by it."""
        if text.startswith("&"):
            self._text(html.unescape(text))
