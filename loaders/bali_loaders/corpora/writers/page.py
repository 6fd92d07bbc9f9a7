"""A page to look at, without a network: texts with their marks, and what each mark means."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from pathlib import Path

from bali_loaders.corpora.writers.files import write_pieces
from bali_loaders.corpora.writers.linked import LinkedDocument, extras
from bali_platform.text.corpus import Mention

_HEAD = files("bali_loaders.corpora.writers") / "page.html"


def write_page(documents: Iterable[LinkedDocument], path: Path) -> None:
    """Write one HTML file; of overlapping mentions the first and longest is marked."""
    write_pieces(path, _pieces(documents))


def _pieces(documents: Iterable[LinkedDocument]) -> Iterator[str]:
    yield _HEAD.read_text(encoding="utf-8")
    for document in documents:
        yield f"<article><h2>{escape(document.id)}</h2><pre>"
        yield from _marked(document)
        yield "</pre></article>\n"
    yield "</main></body></html>\n"


def _marked(document: LinkedDocument) -> Iterator[str]:
    reached = 0
    for mention in sorted(document.mentions, key=lambda m: (m.start, -m.end)):
        if mention.start >= reached:
            yield escape(document.text[reached : mention.start])
            yield _mark(document, mention)
            reached = mention.end
    yield escape(document.text[reached:])


def _mark(document: LinkedDocument, mention: Mention) -> str:
    more = extras(mention)
    said = [f"{document.name(mention.cui)} ({mention.cui})", ", ".join(document.types(mention.cui))]
    said += [f"{key}: {_shown(value)}" for key, value in more.items()]
    classes = escape(" ".join(more.get("attributes", ())), quote=True)
    title = escape("\n".join(filter(None, said)), quote=True)
    surface = escape(document.text[mention.start : mention.end])
    return f'<mark class="{classes}" title="{title}" tabindex="0">{surface}</mark>'


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return ", ".join(value) if isinstance(value, tuple) else json.dumps(value)
