"""Mentions and names shown by their initials: texts abbreviate what they have spelt out once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bali_platform.graph.names import is_withheld
from bali_trainers.data.sentences import SentenceBatch

__all__ = ["Abbreviator", "initials"]

_WORD = re.compile(r"[^\W_]+")
_SMALL = {"a", "an", "and", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
_DEFINED = 0.5  # of the abbreviations in sentences, those that follow what they stand for


def initials(text: str) -> str | None:
    """Return the initials of two to six words, numbers whole and small words left out, or None.

    >>> initials("ataxia telangiectasia"), initials("glucose-6-phosphate dehydrogenase")
    ('AT', 'G6PD')
    >>> initials("carcinoma of the colon"), initials("fibrosis")
    ('CC', None)
    """
    words = [word for word in _WORD.findall(text) if word.lower() not in _SMALL]
    short = "".join(word if word.isdigit() else word[0].upper() for word in words)
    return short if 2 <= len(words) <= 6 and not short.isdigit() else None


class Abbreviator:
    """Shows a ``share`` of what has several words by its initials.

    Initials that are among the ``withheld`` fraction of names are never shown.
    """

    def __init__(self, share: float, withheld: float) -> None:
        self._share, self._withheld = share, withheld

    def sentences(self, batch: SentenceBatch, random: np.random.Generator) -> SentenceBatch:
        """Abbreviate mentions.

        Half of the abbreviations stand in brackets behind the words, as where a text defines them;
        the mention is the abbreviation alone. Mentions that overlap others stay as they are.
        """
        texts, start, end = list(batch.texts), batch.start.copy(), batch.end.copy()
        shares = np.array([[self._share], [_DEFINED]])
        chosen, defined = random.random((2, len(start))) < shares
        for mention in np.flatnonzero(chosen):
            row, first, last = batch.row[mention], start[mention], end[mention]
            beside = batch.row == row
            text = texts[row][first:last]
            short = self._short(text)
            if short is None or np.count_nonzero(beside & (start < last) & (end > first)) > 1:
                continue
            before, after = (f"{text} (", ")") if defined[mention] else ("", "")
            shown = f"{before}{short}{after}"
            texts[row] = texts[row][:first] + shown + texts[row][last:]
            later = beside & (start >= last)
            start[later] += len(shown) - len(text)
            end[later] += len(shown) - len(text)
            start[mention] = first + len(before)
            end[mention] = start[mention] + len(short)
        return replace(batch, texts=texts, start=start, end=end)

    def names(
        self, names: Sequence[str], others: Sequence[str], random: np.random.Generator
    ) -> list[str]:
        """Return ``others``, a share of them replaced by the initials of ``names``."""
        chosen = random.random(len(names)) < self._share
        return [
            (cut and self._short(name)) or other
            for name, other, cut in zip(names, others, chosen.tolist(), strict=True)
        ]

    def _short(self, text: str) -> str | None:
        short = initials(text)
        return None if short is None or is_withheld(short, self._withheld) else short
