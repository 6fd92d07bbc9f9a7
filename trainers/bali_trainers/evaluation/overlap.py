"""Test documents that training has seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np

from bali_platform.base.errors import BaliError
from bali_platform.text.corpus import open_corpus, read_sentences

_PUBMED_ID = re.compile(r"(PMC)?\d{5,9}")
_LETTERS = 40
_SHARE = 0.25


def overlapping_documents(corpus: Path, training: Sequence[Path]) -> list[str]:
    """Return the documents of ``corpus`` that are also in one of the training corpora, by id.

    A document is also there when an id that looks like one of PubMed's is, or when a quarter of its
    sentences of 40 letters and digits are: white space, case and punctuation do not count, as
    corpora differ in them.
    """
    ids: set[str] = set()
    sentences: set[bytes] = set()
    for folder in training:
        open_corpus(folder)
        for sentence in read_sentences(folder):
            ids.add(sentence.document)
            sentences.update(_keys(sentence.text))
    known: dict[str, list[bool]] = {}
    for sentence in read_sentences(corpus):
        hits = known.setdefault(sentence.document, [])
        hits += [key in sentences for key in _keys(sentence.text)]
    return sorted(
        document
        for document, hits in known.items()
        if (document in ids and _PUBMED_ID.fullmatch(document))
        or (hits and np.mean(hits) >= _SHARE)
    )


def require_apart(corpus: Path, training: Sequence[Path], *, force: bool = False) -> int:
    """Return how many test documents overlap; raises :class:`BaliError` if any does, unforced."""
    found = overlapping_documents(corpus, training)
    if found and not force:
        raise BaliError(
            f"{len(found)} documents of {corpus}, such as {found[0]}, are also in the training "
            "corpora: take them out, or accept it with --force"
        )
    return len(found)


def _keys(text: str) -> list[bytes]:
    letters = "".join(filter(str.isalnum, text.casefold()))
    return [blake2b(letters.encode(), digest_size=8).digest()] if len(letters) >= _LETTERS else []
