"""PubTator, whose texts are a line each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bali_loaders.corpora.writers.files import write_pieces
from bali_loaders.corpora.writers.linked import LinkedDocument

_NO_LINE = str.maketrans("\n\r\t", "   ")


def write_pubtator(documents: Iterable[LinkedDocument], path: Path) -> None:
    """Write a title (the first line), an abstract (the others, as one) and a line a mention."""
    write_pieces(path, (piece for document in documents for piece in _lines(document)))


def _lines(document: LinkedDocument) -> Iterator[str]:
    name = re.sub(r"[|\s]", "_", document.id)
    title, parted, abstract = document.text.partition("\n")
    yield f"{name}|t|{title.translate(_NO_LINE)}\n"
    if parted:
        yield f"{name}|a|{abstract.translate(_NO_LINE)}\n"
    for mention in document.mentions:
        surface = document.text[mention.start : mention.end].translate(_NO_LINE)
        kind = next(iter(document.types(mention.cui)), "Concept")
        yield f"{name}\t{mention.start}\t{mention.end}\t{surface}\t{kind}\t{mention.cui}\n"
    yield "\n"
