"""The layout of a document: what is no text to link, where headings are and sections begin."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bali_loaders.linking.joined import Joined, Positions
from bali_loaders.linking.layout import find_blocks
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
_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARKS = f"{_CAPITALS}{_CAPITALS.lower()}*/"
_IN_HEADINGS = f"{_CAPITALS}{_CAPITALS.lower()}0123456789/&'.- \t*#)"
_LONGEST_HEADING = 60
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


class Headings(NamedTuple):
    """Characters ``start`` to ``end`` that begin a section, [H] each.

    ``kind`` is what begins there; where it is empty nobody knows, and the heading has no width.
    """

    start: Positions
    end: Positions
    kind: tuple[str, ...]


class Notes(NamedTuple):
    """Documents as the linker reads them, character for character as long as they were.

    ``plain`` has placeholders, known headings and the bars of tables blanked out, and a hard
    character where a new block begins; ``blocks`` is where they begin, ``times`` where a time of
    the past is written.
    """

    plain: Joined
    blocks: Positions
    headings: Headings
    times: Positions


def read_notes(texts: Sequence[str], *, clinical: bool) -> Notes:
    """Read the layout of documents."""
    joined = Joined.of(texts)
    blocks, nowhere = find_blocks(joined), np.empty(0, dtype=np.int64)
    if not clinical:
        plain = joined.blanked(blocks - 1, blocks)
        return Notes(plain, blocks, Headings(nowhere, nowhere, ()), nowhere)
    headings = _headings(joined)
    placeholders = list(joined.matches(_PLACEHOLDER, _placeholder_marks(joined)))
    start, end = np.array([found.span() for found in placeholders], np.int64).reshape(-1, 2).T
    bars = joined.at("|")
    plain = joined.blanked(
        np.concatenate([blocks - 1, headings.start, start, bars]),
        np.concatenate([blocks, headings.end, end, bars + 1]),
    )
    return Notes(plain, blocks, headings, _times(joined, placeholders))


def _placeholder_marks(joined: Joined) -> Positions:
    """Return where a character stands that may begin a placeholder, with the next one it needs."""
    at = joined.at("[_@<{X*#(")
    twice = joined.code[at] == joined.code[at + 1]
    opens = joined.has("[<{(", at) & joined.has(_CAPITALS, at + 1)
    opens |= joined.has("[<", at) & joined.has(_MARKS, at + 1)
    marks: Positions = at[twice | opens]
    return marks


def _times(joined: Joined, placeholders: list[re.Match[str]]) -> Positions:
    """Return where years and months are that do not tell since when something is."""
    digits = joined.at("12")
    years = joined.matches(_YEAR, digits[joined.has("019", digits + 1)])
    starts = [found.start() for found in placeholders if _HIDDEN_TIME.match(found[0])]
    starts += [found.start() for found in years]
    found = np.array(starts, dtype=np.int64)
    first = np.maximum(found - 15, joined.origins[joined.document(found)])
    before = [joined.text[low:high] for low, high in zip(first.tolist(), starts, strict=True)]
    told = np.array([_SINCE.search(text) is not None for text in before], dtype=bool)
    times: Positions = found[~told]
    return times


def _headings(joined: Joined) -> Headings:
    marks = joined.at("\n\r.;")[:-1]
    marks = marks[joined.has("\n\r", marks) | joined.has(" ", marks + 1)]
    others = joined.outside(_IN_HEADINGS)
    after = others[np.searchsorted(others, marks + 1)]
    # A line in lower case is no heading, and hides none: what is in it ends as it does.
    likely = joined.has("\n\r", after) & joined.has(f"{_CAPITALS}/&' .-\t*", after - 1)
    close = joined.has(":(", after) & ~joined.has("0123456789", after - 1)
    likely |= close & (after - marks < _LONGEST_HEADING)
    found, kinds = [], []
    for match in joined.matches(_HEADING, marks[likely]):
        if known := _heading(match[0]):
            begin, end, kind = known
            found.append((match.start() + begin, match.start() + end))
            kinds.append(kind)
    start, after = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return Headings(start, after, tuple(kinds))


@lru_cache(maxsize=10_000)
def _heading(written: str) -> tuple[int, int, str] | None:
    """Return where in what :data:`_HEADING` matches a heading begins and ends, and its kind."""
    match = _HEADING.match(f"{written}\n")
    if match is None:
        return None
    words = match["words"].rstrip()
    start = match.start("words")
    kind = _kind(words)
    last = words.rpartition(". ")[2]  # "Fall risk. Allergies:"
    # What speaks of all that it mentions must begin a line: amid one, none tells where it ends.
    if not kind and (later := _kind(last)) and later not in SAID_BY_SECTIONS:
        kind = later
        start += len(words) - len(last)
    if not match["colon"] and not words.isupper() and not _is_history(words):
        return None
    if kind:
        return start, len(written), kind
    return (start, start, "") if written[0] in "\n\r" else None


def _is_history(heading: str) -> bool:
    """Tell whether words alone on a line, as "Past medical history", are a heading of the past."""
    known = {"past", "family", "birth"} & {_kind(heading)}
    return bool(known) and heading[0].isupper() and heading.lower().split()[-1] in _HISTORY


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
