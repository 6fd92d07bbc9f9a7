"""Lines: where a text is only wrapped, and where a line begins something new."""

from __future__ import annotations

import re
import sys

import numpy as np

from bali_loaders.linking.joined import LINE_BREAKS, SPACES, Flags, Joined, Positions

_NEW = re.compile(
    r"""
      [^\S\n\r]* (?: $ | [\n\r\v\f\x85\u2028\u2029]                     # a blank line
      | [-*+>#=_•·▪◦●○–—] (?:\s|[-=_*]) | \(?(?:\d{1,2}|[a-zA-Z])[.)]\s   # an item of a list
      | [A-Z] [^\n\r:.;,]{0,40} :                                       # a heading
      )
    """,
    re.VERBOSE,
)
_LONGEST_WORD = 40
_NARROWEST_WRAP, _WIDEST_WRAP = 40, 160


def block_starts(text: str) -> list[int]:
    r"""Return where lines begin that do not go on with the line before, in order.

    New are blank lines and those after them, items of lists, headings, and lines in capitals or
    digits whose first word would have fitted in the line before: no line was wrapped there.

    >>> text = "PMH: asthma, chronic heart\nfailure\n- gout\nPlan: rest"
    >>> [text[start:][:6] for start in block_starts(text)]
    ['- gout', 'Plan: ']
    """
    if not any(mark in text for mark in LINE_BREAKS):
        return []
    joined = Joined.of([text])
    starts: list[int] = (find_blocks(joined) - joined.origins[0]).tolist()
    return starts


def find_blocks(joined: Joined) -> Positions:
    """Return the same of all documents."""
    end, start = _line_breaks(joined)
    document = joined.document(start)
    before = np.append(0, start[:-1])[: len(start)]
    before = np.maximum(before, joined.origins[document])
    width = _wrap_widths(joined, document, end - before, start)[document]
    spaces = joined.at(SPACES)
    begins = _fits(joined, spaces, start, end - before + 1, width)
    begins |= _closed(joined, spaces, before, end)
    begins |= _rows(joined, before, end, start)
    open_ = np.flatnonzero(~begins)
    ends = joined.origins[document[open_] + 1] - 1
    for at, first, after in zip(open_.tolist(), start[open_].tolist(), ends.tolist(), strict=True):
        begins[at] = _NEW.match(joined.text, first, after) is not None
    return start[begins]


def _line_breaks(joined: Joined) -> tuple[Positions, Positions]:
    """Return where the line breaks inside documents begin and end."""
    marks = np.setdiff1d(joined.at(LINE_BREAKS), joined.origins - 1, assume_unique=True)
    line_feed = joined.code[marks] == ord("\n")
    pair = line_feed[1:] & (joined.code[marks[:-1]] == ord("\r")) & (np.diff(marks) == 1)
    second, first = (np.zeros(len(marks), dtype=bool) for _ in range(2))
    second[1:], first[:-1] = pair, pair
    return marks[~second], marks[~first] + 1


def _wrap_widths(
    joined: Joined, document: Positions, length: Positions, start: Positions
) -> Positions:
    """Return the longest line's length of each document; more than any where none is wrapped."""
    longest = np.zeros(len(joined.origins) - 1, dtype=np.int64)
    np.maximum.at(longest, document, length)
    last = joined.origins[:-1].copy()
    np.maximum.at(last, document, start)
    longest = np.maximum(longest, joined.origins[1:] - 1 - last)
    return np.where(longest <= _WIDEST_WRAP, np.maximum(longest, _NARROWEST_WRAP), sys.maxsize)


def _fits(
    joined: Joined, spaces: Positions, start: Positions, taken: Positions, width: Positions
) -> Flags:
    """Tell which lines begin with a word, not in lower case, that fitted in the line before."""
    word = spaces[np.searchsorted(spaces, start)] - start
    fits = taken + np.minimum(word, _LONGEST_WORD) < width
    fits &= (word > 0) | np.isin(start, joined.origins - 1)
    lower = [joined.text[at].islower() for at in start[fits].tolist()]
    fits[np.flatnonzero(fits)[np.array(lower, dtype=bool)]] = False
    found: Flags = fits
    return found


def _rows(joined: Joined, before: Positions, end: Positions, start: Positions) -> Flags:
    """Tell which lines are rows of a table, as the line before: spaces part their cells."""
    blank = joined.at(" ")
    gaps = blank[2:][blank[2:] - blank[:-2] == 2]
    gaps = gaps[~joined.has(f" {LINE_BREAKS}", gaps - 3)]
    after = np.append(end[1:], len(joined.text))
    ranges = ((before, end), (start, after))
    above, here = (np.searchsorted(gaps, high) > np.searchsorted(gaps, low) for low, high in ranges)
    rows: Flags = above & here
    return rows


def _closed(joined: Joined, spaces: Positions, before: Positions, end: Positions) -> Flags:
    """Tell which lines from ``before`` to ``end`` are blank or end with a colon."""
    run = np.maximum.accumulate(np.where(np.diff(spaces, prepend=-2) > 1, spaces, 0))
    stripped = run[np.searchsorted(spaces, end)] - 1
    last = np.where(end - before <= _WIDEST_WRAP, stripped, end - 1)
    closed: Flags = (last < before) | (joined.code[last] == ord(":"))
    return closed
