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


class Heading(NamedTuple):
    """Characters ``start`` to ``end`` that begin a section of a known ``kind``."""

    start: int
    end: int
    kind: str


class Note(NamedTuple):
    """A document as the linker reads it, character for character as long as it was.

    ``text`` has placeholders and known headings blanked out, and a hard character where a new block
    begins; ``blocks`` is where they begin.
    """

    text: str
    blocks: list[int]
    headings: list[Heading]


def read_note(text: str, *, clinical: bool) -> Note:
    """Read the layout of a document."""
    blocks = block_starts(text)
    headings = list(_headings(text)) if clinical else []
    hidden = [(start - 1, start) for start in blocks]
    if clinical:
        hidden += [found.span() for found in _PLACEHOLDER.finditer(text)]
        hidden += [(heading.start, heading.end) for heading in headings]
    return Note(_blanked(text, hidden), blocks, headings)


def _headings(text: str) -> list[Heading]:
    known = sections()
    found = []
    for match in _HEADING.finditer(f"\n{text}"):
        start, end = match.start("words") - 1, match.end() - 1
        kind = known.get(" ".join(match["words"].lower().split()))
        if kind and (match["colon"] or match["words"].isupper()):
            found.append(Heading(start, end, kind))
        elif match["line"] and match["colon"]:
            found.append(Heading(start, start, ""))
    return found


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    parts, done = [], 0
    for start, end in sorted(spans):
        if end > done:
            start = max(start, done)
            parts += [text[done:start], _HIDDEN * (end - start)]
            done = end
    return "".join([*parts, text[done:]])
