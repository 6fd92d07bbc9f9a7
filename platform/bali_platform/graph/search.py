"""Turning what people type into Lucene's syntax, and its candidates into an order they expect."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from bali_platform.graph.names import name_key
from bali_platform.graph.records import SearchHit

_WORDS = re.compile(r"\w+")
# Marks that Lucene leaves inside a word between letters or between digits: o'clock, 1,2-xylene.
_TERMS = re.compile(r"\w+(?:[.,:;'’·]\w+)*")

MAX_WORD = 200
MAX_WORDS = 100
MAX_MISSPELT = 16
"""Lucene writes each misspelt word out as up to 50 others, and takes 1,024 of them."""

Filters = dict[str, list[str] | None]
Closeness = tuple[bool, int, int]
"""Same name; how many of the words it has, as wholes or beginnings; less its other words."""


def lucene_queries(text: str) -> Iterator[tuple[str, str]]:
    """Yield queries for ``text`` and what each asks for, strictest first.

    What is not plain letters and digits reaches Lucene in quotes, so that nothing in it is taken
    for an operator, and Lucene takes it apart as it does the names.

    >>> next(lucene_queries("Heart att"))
    ('by all words of a name', '"heart att"^4 OR ("heart" AND ("att" OR att*))')
    """
    found = (word for word in _TERMS.findall(text.lower()) if len(word) <= MAX_WORD)
    words = list(islice(found, MAX_WORDS))
    if not words:
        return
    *whole, last = (f'"{word}"' for word in words)
    # A prefix of one or two letters would match a large part of all names.
    if len(words[-1]) > 2 and _WORDS.fullmatch(words[-1]):
        last = f"({last} OR {words[-1]}*)"
    every = " AND ".join([*whole, last])
    # Of one word the phrase would be the word again: hundreds of thousands of hits, scored twice.
    strict = f'"{" ".join(words)}"^4 OR ({every})' if len(words) > 1 else every
    yield "by all words of a name", strict
    if len(words) <= MAX_MISSPELT:
        yield "by misspelt words", " AND ".join(_misspelt(word) for word in words)
    yield "by any of the words", " OR ".join(f'"{word}"' for word in dict.fromkeys(words))


def _misspelt(word: str) -> str:
    return f"{word}~" if len(word) > 3 and _WORDS.fullmatch(word) else f'"{word}"'


def rank(text: str, rows: list[dict[str, Any]], *, strict: bool = False) -> list[SearchHit]:
    """Order candidates by how close their closest name is to ``text``, then by Lucene's score.

    ``strict`` leaves out those whose names here have none of the words.

    Close is, in this order: the same name (best if it is the preferred one), a name with more of
    the words or their beginnings, a name with fewer other words.
    """
    wanted = _Wanted(text)
    ranked = []
    for row in rows:
        closeness, matched = wanted.closest(row["names"])
        if strict and not closeness[1]:
            continue
        hit = SearchHit(
            row["cui"], row["name"], matched, tuple(row["semantic_types"] or ()), row["score"]
        )
        preferred = name_key(row["name"]) == wanted.key
        ranked.append(((preferred, *closeness, row["score"]), hit))
    ranked.sort(key=lambda item: item[1].cui)
    ranked.sort(key=lambda item: item[0], reverse=True)
    return [hit for _, hit in ranked]


class _Wanted:
    """What was typed, to be compared with thousands of names in milliseconds."""

    def __init__(self, text: str) -> None:
        self.key = name_key(text)
        words = _WORDS.findall(self.key)
        self._parts = [(word, re.compile(rf"\b{word}").search) for word in words]

    def closest(self, names: Sequence[str]) -> tuple[Closeness, str]:
        """Return the name that is closest, the first of several, and how close it is."""
        best, matched = (False, -1, 0), ""
        for name in names:
            folded = name.casefold()
            # Most names have few of the parts; to look for them is faster than to split the name.
            met = 0
            for part, starts in self._parts:
                if part in folded and starts(folded):
                    met += 1
            if met >= best[1]:
                key = name_key(name)
                closeness = (key == self.key, met, met - len(_WORDS.findall(key)))
                if closeness > best:
                    best, matched = closeness, name
        return best, matched
