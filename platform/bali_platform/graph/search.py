"""Turning what people type into Lucene's syntax, and its candidates into an order they expect."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bali_platform.graph.names import name_key
from bali_platform.graph.records import SearchHit

__all__ = ["lucene_queries", "rank"]

_WORDS = re.compile(r"\w+")


def lucene_queries(text: str) -> Iterator[str]:
    """Yield queries for ``text``, strictest first: all words, misspelt words, any word.

    Only letters, digits and underscores of ``text`` reach Lucene, in lower case, so nothing in it
    is taken for an operator.

    >>> next(lucene_queries("Heart att"))
    '"heart att"^4 OR (heart AND (att OR att*))'
    """
    words = _WORDS.findall(text.lower())
    if not words:
        return
    *whole, last = words
    # A prefix of one or two letters would match a large part of all names.
    endings = f"({last} OR {last}*)" if len(last) > 2 else last
    yield f'"{" ".join(words)}"^4 OR ({" AND ".join([*whole, endings])})'
    yield " AND ".join(f"{word}~" if len(word) > 3 else word for word in words)
    yield " OR ".join(words)


def rank(text: str, rows: list[dict[str, Any]]) -> list[SearchHit]:
    """Order candidates: an exact preferred name, an exact synonym, then Lucene's own score."""
    wanted = name_key(text)
    hits = []
    for row in rows:
        matched = _best_name(wanted, row["names"])
        exactness = (name_key(row["name"]) == wanted) + (name_key(matched) == wanted)
        types = tuple(row["semantic_types"] or ())
        hits.append((-exactness, SearchHit(row["cui"], row["name"], matched, types, row["score"])))
    return [hit for _, hit in sorted(hits, key=lambda item: (item[0], -item[1].score, item[1].cui))]


def _best_name(wanted: str, names: list[str]) -> str:
    """Return the first name that shares the most words with ``wanted``, the shortest of those."""
    words = set(_WORDS.findall(wanted))

    def closeness(name: str) -> tuple[bool, int, int]:
        key = name_key(name)
        return key == wanted, len(words.intersection(_WORDS.findall(key))), -len(name)

    return max(names, key=closeness)
