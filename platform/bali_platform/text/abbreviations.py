"""Abbreviations that a document defines: *heat shock protein (HSP)*.

Source: Schwartz and Hearst, A simple algorithm for identifying abbreviation definitions in
biomedical text, Pacific Symposium on Biocomputing 2003.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from bali_platform.text.corpus import Sentence

_BRACKETED = re.compile(r"[(\[]([^()\[\];,]+)[)\]]")
_WORD = re.compile(r"\S+")


def find_abbreviations(text: str) -> dict[str, str]:
    """Return short forms and the long forms that stand before them; the first definition counts.

    >>> find_abbreviations("Heat shock protein (HSP) binds to adenosine triphosphate (ATP).")
    {'HSP': 'Heat shock protein', 'ATP': 'adenosine triphosphate'}
    """
    found: dict[str, str] = {}
    for match in _BRACKETED.finditer(text):
        short = match[1].strip()
        if short in found or not _is_short_form(short):
            continue
        long = _long_form(short, text[: match.start(1) - 1].rstrip())
        if long:
            found[short] = long
    return found


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
    words = [word.start() for word in _WORD.finditer(before)]
    most = min(len(short) + 5, 2 * len(short))
    candidate = before[words[-most:][0] :] if words else ""
    at = len(candidate)
    for place in range(len(short) - 1, -1, -1):
        wanted = short[place].lower()
        if not wanted.isalnum():
            continue
        at -= 1
        while at >= 0 and not (
            candidate[at].lower() == wanted
            and (place > 0 or at == 0 or not candidate[at - 1].isalnum())
        ):
            at -= 1
        if at < 0:
            return None
    long = candidate[at:]
    is_longer = len(long) > len(short) and short not in long.split()
    return long if is_longer else None
