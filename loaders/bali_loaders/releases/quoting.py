"""How a table of tabs quotes its cells, of which no rule says anything."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Literal

Quoting = Literal[0, 3]
"""``csv.QUOTE_MINIMAL`` or ``csv.QUOTE_NONE``."""


def quoting_of(lines: Iterable[str], delimiter: str) -> Quoting:
    r"""Tell whether quotes are data: in tables of tabs that do not fit their header otherwise.

    >>> quoting_of(["id\ttext", '1\t"sharp" pain', '2\t5" nail'], "\t") == csv.QUOTE_NONE
    True
    """
    if delimiter != "\t":
        return csv.QUOTE_MINIMAL
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        width = len(next(rows, []))
        fits = all(len(row) in (0, width) for row in rows)
    except csv.Error:
        fits = False
    return csv.QUOTE_MINIMAL if fits else csv.QUOTE_NONE
