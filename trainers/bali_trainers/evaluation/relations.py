"""Relation extraction: two things marked in a text, and how they are related."""

from __future__ import annotations

import json
import re
from pathlib import Path

from bali_platform.base.errors import BaliError
from bali_trainers.evaluation.classification import Example

_MARKS = {"<<": 0, "[[": 1}
_MARKED = re.compile(r"(<<|\[\[) (.+?) (?:>>|\]\])")


def read_marked_relations(path: Path) -> list[Example]:
    """Read ChemProt as SciBERT's authors published it: a line is an object ``text``, ``label``.

    The text marks one thing as ``<< x >>`` and the other as ``[[ y ]]``; the marks are taken out.
    """
    examples = []
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            examples.append(_unmark(row["text"], row["label"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaliError(
            f"{path}, line {len(examples) + 1}: not a text with two things marked and a label "
            f"({type(error).__name__}: {error})"
        ) from None
    return examples


def _unmark(text: str, label: str) -> Example:
    plain, last = "", 0
    spans: dict[int, tuple[tuple[int, int], ...]] = {}
    for match in _MARKED.finditer(text):
        plain += text[last : match.start()]
        spans[_MARKS[match[1]]] = ((len(plain), len(plain) + len(match[2])),)
        plain += match[2]
        last = match.end()
    plain += text[last:]
    if len(spans) != 2:
        raise ValueError("two things must be marked, << x >> and [[ y ]]")
    return Example((plain,), (spans[0], spans[1]), label, plain)
