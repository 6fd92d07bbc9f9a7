"""The layout of a document: what is no text to link, where headings are and sections begin."""

from __future__ import annotations

import re
from typing import NamedTuple

from bali_loaders.linking.layout import block_starts
from bali_loaders.linking.lexicon import sections

_PLACEHOLDER = re.compile(
    r"""
      \[\*\*[^\]]{0,200}\*\*\] | _{2,} | @@[^@\n]{0,60}@@ | <<[^<>\n]{0,60}>>
    | \{\{[^{}\n]{0,60}\}\} | \bX{3,}\b | \*{3,} | \#{3,} | </?[A-Za-z][^<>\n]{0,60}>
    | [\[<({] (?:[A-Z]+[ _-])* (?:NAME|DATE|DOCTOR|DR|HOSPITAL|PATIENT|ID|PHONE|FAX|ADDRESS|LOCATION
        |AGE|MRN|REDACTED|CITY|STATE|ZIP|FACILITY|CLINIC|PROVIDER|STAFF|EMAIL|URL|ORGANIZATION
        |PERSON|NUMBER|REMOVED|DEIDENTIFIED|INITIALS|CONTACT|SSN|COUNTRY|WARD|UNIT|TIME)
        (?:[ _:-]?[A-Z0-9]+)* [\])>}]
    """,
    re.VERBOSE,
)
_HEADING = re.compile(
    r"(?:(?P<line>[\n\r])|[.;] {1,2})[ \t*#]{0,4}(?:\d{1,2}[.)] )?"
    r"(?P<words>[A-Za-z][A-Za-z/&' .-]{0,40}?)[ \t]?(?:\([^()\n]{0,20}\))?(?:\*\*)?"
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
_TIME = re.compile(
    r"""
      (?<!\bin\ )(?<!\bsince\ )(?<!\bfrom\ )(?<!\bdx\ )(?<!\bdiagnosed\ )(?<!\bat\ )(?<![-/:.,\d])
        (?:19|20|21)\d\d\b (?![-/:.]\d|\ ?(?:m[lg]|mcg|cc|units|IU|[hK]\b))
    | (?<!\bdx\ )(?<!\bdiagnosed\ ) \b(?:in|last)\ (?:early\ |mid[ -]|late\ )?
        (?:(?:19|20|21)\d\d\b | (?:Jan|Feb|Mar(?!g|k)|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)[a-z]*\b
        | May\b | (?:year|month|spring|summer|fall|autumn|winter)\b
        | \[\*\*(?:Month|Year|(?:19|20|21)\d\d))
    | \[\*\*(?:19|20|21)\d\d(?:-\d{1,2})?\*\*\]
    | (?<!\bdx\ )(?<!\bdiagnosed\ ) \b (?:at\ )? age\ \d
    | \b (?:\d{1,2}|several|many|few)\ (?:years?|yrs?|y|months?|mos?)\ (?:ago|earlier|back)\b
    """,
    re.VERBOSE,
)
"""When something was, written after it; not since when it is."""


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
    headings = list(_headings(text)) if clinical else []
    hidden = [(start - 1, start) for start in blocks]
    if clinical:
        hidden += [found.span() for found in _PLACEHOLDER.finditer(text)]
        hidden += [(heading.start, heading.end) for heading in headings]
    times = [found.start() for found in _TIME.finditer(text)] if clinical else []
    return Note(_blanked(text, hidden), blocks, headings, times)


def _headings(text: str) -> list[Heading]:
    found = []
    for match in _HEADING.finditer(f"\n{text}"):
        start, end = match.start("words") - 1, match.end() - 1
        kind = _kind(match["words"].lower().split())
        if kind and (match["colon"] or match["words"].isupper()):
            found.append(Heading(start, end, kind))
        elif match["line"] and (match["colon"] or match["words"].isupper()):
            found.append(Heading(start, start, ""))
    return found


def _kind(words: list[str]) -> str:
    """Return what a heading of some words, in lower case, begins; empty where nobody knows."""
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
