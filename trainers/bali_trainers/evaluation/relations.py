"""Relation extraction: two things marked in a text, and how they are related."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bali_platform.base.errors import BaliError
from bali_trainers.evaluation.classification import ClassificationTask, Example, Fold

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


def relation_task(
    name: str, train: Sequence[Example], test: Sequence[Example], *, negative: str | None = None
) -> ClassificationTask:
    """Fit on ``train``, test on ``test``; no test document may be in training."""
    shared = {e.document for e in train} & {e.document for e in test}
    if shared:
        raise BaliError(
            f"{name}: {len(shared)} test documents are also in the training part, such as "
            f"'{min(shared)[:60]}': take them out of one"
        )
    unseen = {e.label for e in test} - {e.label for e in train}
    if unseen:
        raise BaliError(f"{name}: no training example has the label '{min(unseen)}'")
    fold = Fold(np.arange(len(train)), np.arange(len(train), len(train) + len(test)))
    return ClassificationTask("relations", name, (*train, *test), (fold,), negative)


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
