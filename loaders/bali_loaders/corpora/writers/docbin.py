"""spaCy's DocBin, cut into tokens such that every mention is whole tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from bali_loaders.corpora.writers.linked import LinkedDocument, extras
from bali_platform.base.errors import UsageError

_TOKEN = re.compile(r"\w+|[^\w\s]|\s")


def write_docbin(documents: Iterable[LinkedDocument], path: Path) -> None:
    """Write a file: mentions in ``doc.spans["bali"]``, those that do not overlap in ``doc.ents``.

    Raises :class:`UsageError` where spaCy is not installed.
    """
    try:
        import spacy
        from spacy.tokens import DocBin
    except ImportError:
        raise UsageError("to write spaCy's DocBin: pip install 'bali[spacy]'") from None
    vocabulary = spacy.blank("en").vocab
    docs = DocBin(store_user_data=True, docs=(_doc(d, vocabulary) for d in documents))
    path.parent.mkdir(parents=True, exist_ok=True)
    docs.to_disk(path)


def _doc(document: LinkedDocument, vocabulary: Any) -> Any:
    from spacy.tokens import Doc
    from spacy.util import filter_spans

    words, spaces = _tokens(document)
    doc: Any = Doc(vocabulary, words=words, spaces=spaces, user_data={"id": document.id})
    spans = []
    for number, mention in enumerate(document.mentions):
        label = next(iter(document.types(mention.cui)), "Concept")
        spans.append(doc.char_span(mention.start, mention.end, label=label, kb_id=mention.cui))
        doc.user_data[f"mention {number}"] = {k: _plain(v) for k, v in extras(mention).items()}
    doc.spans["bali"] = spans
    doc.ents = filter_spans(spans)
    return doc


def _tokens(document: LinkedDocument) -> tuple[list[str], list[bool]]:
    """Cut a text into words, and tell after which a space follows."""
    starts = {mention.start for mention in document.mentions}
    ends = {mention.end for mention in document.mentions}
    bounds = sorted({0, len(document.text), *starts, *ends})
    words: list[str] = []
    spaces: list[bool] = []
    for start, end in pairwise(bounds):
        for match in _TOKEN.finditer(document.text[start:end]):
            place = start + match.start()
            outer = place in starts or place + 1 in ends
            if match.group() == " " and words and not spaces[-1] and not outer:
                spaces[-1] = True
            else:
                words.append(match.group())
                spaces.append(False)
    return words, spaces


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
