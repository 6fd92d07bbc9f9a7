"""XML files, one document in memory at a time: BioC collections and PubMed's citations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BufferedIOBase
from pathlib import Path

# Expat bounds the expansion of entities, and iterparse loads nothing from elsewhere.
from xml.etree.ElementTree import Element, ParseError, iterparse

from bali_loaders.corpora.bioc import bioc_element
from bali_loaders.corpora.documents import Document, open_bytes
from bali_loaders.corpora.pubmed import deleted_citations, pubmed_citation
from bali_platform.base.errors import BaliError

Convert = Callable[[Element], list[Document]]
_PUBMED: dict[str, Convert] = {
    "PubmedArticle": lambda element: [pubmed_citation(element)],
    "PubmedBookArticle": lambda element: [pubmed_citation(element)],
    "DeleteCitation": deleted_citations,
}
_KINDS: dict[str, dict[str, Convert]] = {
    "collection": {"document": lambda element: [bioc_element(element)]},
    "PubmedArticleSet": _PUBMED,
    "PubmedBookArticleSet": _PUBMED,
}


def read_xml(path: Path) -> Iterator[Document]:
    """Yield the documents of a BioC collection or a ``PubmedArticleSet``, whichever it is."""
    with open_bytes(path) as file:
        try:
            yield from _read(file, path)
        except (ParseError, LookupError, EOFError, OSError) as error:
            raise BaliError(f"{path}: not well-formed XML ({error})") from None


def _read(file: BufferedIOBase, path: Path) -> Iterator[Document]:
    events = iterparse(file, events=("start", "end"))  # noqa: S314
    _, root = next(events)
    if root.tag not in _KINDS:
        raise BaliError(f"{path}: <{root.tag}> begins no known format: one of {', '.join(_KINDS)}")
    converters = _KINDS[root.tag]
    number = 0
    for event, element in events:
        if event == "end" and element.tag in converters:
            number += 1
            try:
                yield from converters[element.tag](element)
            except (KeyError, ValueError) as error:
                name = element.findtext("id") or number
                raise BaliError(f"{path}: document {name} is incomplete ({error})") from None
            root.clear()
