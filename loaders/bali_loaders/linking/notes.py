"""The layout of a document: what is no text to link, where headings are and sections begin."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from bali_loaders.linking.layout import block_starts
from bali_loaders.linking.lexicon import SAID_BY_SECTIONS, sections

_PLACEHOLDER = re.compile(
    r"""
    [\[_@<{X*\#(] (?:
        (?<=\[) \*\*[^\]]{0,200}\*\*\] | (?<=_) _+ | (?<=@) @[^@\n]{0,60}@@
      | (?<=<) <[^<>\n]{0,60}>> | (?<={) \{[^{}\n]{0,60}\}\}
      | (?<=\bX) X{2,}\b | (?<=\*) \*{2,} | (?<=\#) \#{2,}
      | (?<=<) /?[A-Za-z][^<>\n]{0,60}>
      | (?<=[\[<({]) (?:[A-Z]+[ _-])* (?:NAME|DATE|DOCTOR|DR|HOSPITAL|PATIENT|ID|PHONE|FAX|ADDRESS
          |LOCATION|AGE|MRN|REDACTED|CITY|STATE|ZIP|FACILITY|CLINIC|PROVIDER|STAFF|EMAIL|URL|UNIT
          |ORGANIZATION|PERSON|NUMBER|REMOVED|DEIDENTIFIED|INITIALS|CONTACT|SSN|COUNTRY|WARD|TIME)
          (?:[ _:-]?[A-Z0-9]+)* [\])>}]
    )
    """,
    re.VERBOSE,
)
"""It begins with one class of characters, which ``re`` looks for fast."""
_HEADING = re.compile(
    r"[\n\r.;](?:(?<=[\n\r])| {1,2})[ \t*#]{0,4}(?:\d{1,2}[.)] )?"
    r"(?P<words>[A-Za-z][A-Za-z/&' .-]{0,40}+)(?:\([^()\n]{0,20}\))?(?:\*\*)?"
    r"(?P<colon>:|(?=[ \t]*[\n\r]))"
)
_HIDDEN = "\0"
_HISTORY = frozenset({"history", "hx", "hist"})
_HISTORIES = {
    "family": ("fam", "family", "familial"),
    "birth": ("birth", "perinatal", "neonatal"),
    "social": ("social", "smoking", "tobacco", "alcohol", "travel", "sexual", "occupational"),
    "present": ("present", "presenting", "clinical", "interval"),
    "medications": ("medication", "drug"),
}
_EARLIER = frozenset({"past", "prior", "previous"})
_YEAR = re.compile(r"[12][019]\d\d(?![\w/:.-]\d|\d| ?(?:m[lg]|mcg|cc|units|IU|[hK])\b)")
_SINCE = re.compile(r"[-/:.,\d]$|\b(?:since|from|at|dx|dx'd|diagnosed)(?: in)? $")
_HIDDEN_TIME = re.compile(r"\[\*\*(?:(?:19|20|21)\d\d(?:-\d{1,2})?\*|Month|Year)")


class Heading(NamedTuple):
    """Characters ``start`` to ``end`` that begin a section of a known ``kind``."""

    start: int
    end: int
    kind: str


class Note(NamedTuple):
    """A document as the linker reads it, character for character as long as it was.

    ``text`` has placeholders and known headings blanked out, and a hard character where a new block
    begins; ``blocks`` is where they begin, ``times`` where a time of the past is written.
    """

    text: str
    blocks: list[int]
    headings: list[Heading]
    times: list[int]


def read_note(text: str, *, clinical: bool) -> Note:
    """Read the layout of a document."""
    blocks = block_starts(text)
    hidden = [(start - 1, start) for start in blocks]
    if not clinical:
        return Note(_blanked(text, hidden), blocks, [], [])
    headings = list(_headings(text))
    placeholders = list(_PLACEHOLDER.finditer(text))
    hidden += [found.span() for found in placeholders]
    hidden += [(heading.start, heading.end) for heading in headings]
    return Note(_blanked(text, hidden), blocks, headings, _times(text, placeholders))


def _times(text: str, placeholders: list[re.Match[str]]) -> list[int]:
    """Return where years and months are that do not tell since when something is."""
    starts = [found.start() for found in placeholders if _HIDDEN_TIME.match(found[0])]
    starts += [found.start() for found in _YEAR.finditer(text)]
    return [at for at in starts if not _SINCE.search(text[max(0, at - 15) : at])]


def _headings(text: str) -> list[Heading]:
    found = []
    for match in _HEADING.finditer(f"\n{text}"):
        words = match["words"].rstrip()
        start, end = match.start("words") - 1, match.end() - 1
        kind = _kind(words)
        last = words.rpartition(". ")[2]  # "Fall risk. Allergies:"
        # What speaks of all that it mentions must begin a line: amid one, none tells where it ends.
        if not kind and (later := _kind(last)) and later not in SAID_BY_SECTIONS:
            kind = later
            start += len(words) - len(last)
        if kind and (match["colon"] or words.isupper()):
            found.append(Heading(start, end, kind))
        elif match[0][0] in "\n\r" and (match["colon"] or words.isupper()):
            found.append(Heading(start, start, ""))
    return found


@lru_cache(maxsize=10_000)
def _kind(heading: str) -> str:
    """Return what a heading begins; empty where nobody knows."""
    words = heading.lower().split()
    known = sections().get(" ".join(words), "")
    if known or not words:
        return known
    if words[-1] in _HISTORY:
        kinds = (kind for kind, own in _HISTORIES.items() if not set(own).isdisjoint(words))
        return next(kinds, "past")
    return "past" if words[0] in _EARLIER else ""


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    parts, done = [], 0
    for start, end in sorted(spans):
        if end > done:
            start = max(start, done)
            parts += [text[done:start], _HIDDEN * (end - start)]
            done = end
    return "".join([*parts, text[done:]])
