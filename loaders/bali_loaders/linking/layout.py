"""Lines: where a text is only wrapped, and where a line begins something new."""

from __future__ import annotations

import re

LINE_BREAK = re.compile(r"[\n\r\v\f\x85\u2028\u2029](?:(?<=\r)\n)?")
_NEW = re.compile(
    r"""
      [^\S\n\r]* (?: $ | [\n\r\v\f\x85\u2028\u2029]                     # a blank line
      | [-*+>#=_•·▪◦●○–—] (?:\s|[-=_*]) | \(?(?:\d{1,2}|[a-zA-Z])[.)]\s   # an item of a list
      | [A-Z] [^\n\r:.;,]{0,40} :                                       # a heading
      )
    """,
    re.VERBOSE,
)
_UNBROKEN = re.compile(r"\S{0,40}")
_NARROWEST_WRAP, _WIDEST_WRAP = 40, 160


def block_starts(text: str) -> list[int]:
    r"""Return where lines begin that do not go on with the line before, in order.

    New are blank lines and those after them, items of lists, headings, and lines in capitals or
    digits whose first word would have fitted in the line before: no line was wrapped there.

    >>> text = "PMH: asthma, chronic heart\nfailure\n- gout\nPlan: rest"
    >>> [text[start:][:6] for start in block_starts(text)]
    ['- gout', 'Plan: ']
    """
    breaks = [found.span() for found in LINE_BREAK.finditer(text)]
    if not breaks:
        return []
    width = _wrap_width(text, breaks)
    starts, before = [], 0
    for end, start in breaks:
        if _begins(text, before, end, start, width):
            starts.append(start)
        before = start
    return starts


def _begins(text: str, before: int, end: int, start: int, width: int) -> bool:
    first = text[start : start + 1]
    if not first.islower() and not first.isspace():
        word = _UNBROKEN.match(text, start)
        if word and end - before + 1 + len(word[0]) < width:
            return True
    line = text[before:end].rstrip() if end - before <= _WIDEST_WRAP else text[end - 1 : end]
    return not line or line.endswith(":") or _NEW.match(text, start) is not None


def _wrap_width(text: str, breaks: list[tuple[int, int]]) -> int:
    """Return the longest line's length; more than any where lines are not wrapped."""
    longest = before = 0
    for end, start in [*breaks, (len(text), 0)]:
        if end - before > longest:
            longest = end - before
        before = start
    return max(longest, _NARROWEST_WRAP) if longest <= _WIDEST_WRAP else 1 << 30
