"""Abbreviations that a document defines: *heat shock protein (HSP)*, *HSP (heat shock protein)*.

Source: Schwartz and Hearst, A simple algorithm for identifying abbreviation definitions in
biomedical text, Pacific Symposium on Biocomputing 2003.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from bali_platform.text.corpus import Sentence

_BRACKET = re.compile(r"[()\[\]]")
_CLOSING = {"(": ")", "[": "]"}
_PART = re.compile(r"[;,:=]|\s(?:and|or)\s")
_ASIDE = re.compile(r"[;,:=(\[]")
_LEAD = re.compile(
    r"(?:(?:also|hereafter|henceforth|termed|called|abbreviated|as|or|i\.e\.)\s+)+", re.I
)
_ARTICLE = re.compile(r"(?:the|an?)\s+", re.I)
_WIDEST = 200
"""Most characters of a bracket, and of the text before it, that are read for a definition."""
_LETTER_OF = str.maketrans("αβγδεζηθικλμνξοπρστυφχψω", "abgdezetiklmnxoprstupcpo")
"""What a Greek letter's name begins with, for TGF-β that stands for a spelled-out *beta*."""


def find_abbreviations(text: str) -> dict[str, str]:
    """Return short forms and their long forms, in either order; the first definition counts.

    Takes time that grows with the length of the text alone, whatever it holds.

    >>> find_abbreviations("Heat shock protein (HSP) binds ATP (adenosine triphosphate).")
    {'HSP': 'Heat shock protein', 'ATP': 'adenosine triphosphate'}
    """
    found: dict[str, str] = {}
    for start, end in _bracketed(text):
        content = text[start:end]
        before = text[max(0, start - 1 - _WIDEST) : start - 1].rstrip()
        if pair := _short_inside(content, before) or _long_inside(content, before):
            found.setdefault(*pair)
    return found


def _bracketed(text: str) -> Iterator[tuple[int, int]]:
    """Yield where the content of each bracket is, nested ones too, if it is not too wide."""
    opened: list[int] = []
    for bracket in _BRACKET.finditer(text):
        at = bracket.start()
        if bracket[0] in _CLOSING:
            opened.append(at)
        elif opened and _CLOSING[text[opened[-1]]] == bracket[0]:
            start = opened.pop() + 1
            if at - start <= _WIDEST:
                yield start, at


def _short_inside(content: str, before: str) -> tuple[str, str] | None:
    if content == content.lower():
        return None
    content = _LEAD.sub("", content.strip(), count=1)
    short = _PART.split(content, maxsplit=1)[0].strip(" \t\n\"'“”‘’")
    long = _long_form(short, before) if _is_short_form(short) else None
    return (short, long) if long else None


def _long_inside(content: str, before: str) -> tuple[str, str] | None:
    words = before.rsplit(maxsplit=1)
    short = words[-1].lstrip("([\"'“‘") if words else ""
    if short == short.lower() or len(content) <= len(short) or not _is_short_form(short):
        return None
    for long in (_ASIDE.split(content, maxsplit=1)[0], content):
        plain = _ARTICLE.sub("", " ".join(long.split()), count=1)
        if " " in plain or len(plain) > 10:
            found = _long_form(short, plain)
            if found == plain:
                return short, plain
    return None


def documents_with_abbreviations(
    sentences: Iterable[Sentence],
) -> Iterator[tuple[list[Sentence], dict[str, str]]]:
    """Yield the sentences of each document, which follow one another, and what it abbreviates."""
    for _, document in groupby(sentences, key=lambda sentence: sentence.document):
        parts = list(document)
        yield parts, find_abbreviations(" ".join(part.text for part in parts))


def definition(short: str, long: str) -> str:
    """Return what defines an abbreviation to those who read on."""
    return f"{long} ({short}). "


def definitions_for(sentence: str, long_forms: Mapping[str, str]) -> str:
    """Return what a reader of one sentence has to be told first of its document's abbreviations.

    >>> definitions_for("HSP binds to ATP.", {"HSP": "Heat shock protein", "NO": "nitric oxide"})
    'Heat shock protein (HSP). '
    >>> definitions_for("Heat shock protein (HSP) binds.", {"HSP": "Heat shock protein"})
    ''
    """
    return "".join(
        definition(short, long)
        for short, long in long_forms.items()
        if long not in sentence and any(occurrences(short, sentence))
    )


def occurrences(short: str, text: str) -> Iterator[re.Match[str]]:
    """Find where a text uses an abbreviation as a word of its own."""
    return re.finditer(rf"(?<!\w){re.escape(short)}(?!\w)", text)


def _is_short_form(text: str) -> bool:
    plain = 2 <= len(text) <= 10 and text[0].isalnum() and len(text.split()) <= 2
    return plain and any(map(str.isalpha, text)) and any(map(str.isupper, text))


def _long_form(short: str, before: str) -> str | None:
    """Match the short form's characters from right to left within the words before it."""
    words = before.rsplit(maxsplit=min(len(short) + 5, 2 * len(short)))
    earlier = len(words) > min(len(short) + 5, 2 * len(short))
    candidate = before[len(words[0]) if earlier else 0 :].lstrip()
    letters = candidate.replace("İ", "I").lower().translate(_LETTER_OF)
    at = len(candidate)
    for place, wanted in reversed(list(enumerate(short.lower().translate(_LETTER_OF)))):
        if not wanted.isalnum():
            continue
        at -= 1
        while at >= 0 and not (
            letters[at] == wanted and (place > 0 or at == 0 or not letters[at - 1].isalnum())
        ):
            at -= 1
        if at < 0:
            return None
    long = candidate[at:]
    is_longer = len(long) > len(short) and short not in long.split()
    return " ".join(long.split()) if is_longer else None
