"""The abbreviations that a document defines, wherever it uses them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from bali_platform.text.abbreviations import find_abbreviations

_RUN = re.compile(r"[^\W_]+")


def find_definitions(text: str) -> dict[str, str]:
    """Return what a document defines, plurals of its short forms included."""
    own = find_abbreviations(text)
    if not own:
        return own
    singular = {short[:-1]: long for short, long in own.items() if short.endswith("s")}
    plural = {f"{short}s": long for short, long in own.items()}
    return {**singular, **plural, **own}


def occurrences(shorts: Iterable[str], text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where short forms stand as words of their own."""
    by_run: defaultdict[str, list[str]] = defaultdict(list)
    for short in sorted(shorts, key=len, reverse=True):
        if run := _RUN.search(short):
            by_run[run[0]].append(short)
    for run in _RUN.finditer(text):
        for short in by_run.get(run[0], ()):
            start = run.start()
            end = start + len(short)
            if text.startswith(short, start) and not text[end : end + 1].isalnum():
                yield start, end, short
                break
