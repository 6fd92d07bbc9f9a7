"""Mentions and names shown by their initials: texts abbreviate what they have spelt out once."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from bali_platform.graph.names import is_withheld
from bali_platform.text.abbreviations import definition
from bali_trainers.batches.rewriting import Rewriting
from bali_trainers.batches.sentences import SentenceBatch

_WORD = re.compile(r"[^\W_]+")
_SMALL = {"a", "an", "and", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
_BESIDE, _BEFORE = 0.4, 0.5  # of the abbreviations in sentences, by where they are defined


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

        Texts define what they abbreviate, so most abbreviations are: some stand in brackets behind
        the words, the mention being the abbreviation alone; others are defined before the sentence.
        Mentions that overlap others stay as they are.
        """
        rewriting = Rewriting(batch)
        chosen, where = random.random((2, len(batch.row)))
        for mention in np.flatnonzero(chosen < self._share).tolist():
            text = rewriting.text(mention)
            short = self._short(text)
            if short is None or rewriting.overlaps(mention):
                continue
            if where[mention] < _BESIDE:
                rewriting.show(mention, short, before=f"{text} (", after=")")
                continue
            rewriting.show(mention, short)
            if where[mention] < _BESIDE + _BEFORE:
                rewriting.begin_with(mention, definition(short, text))
        return rewriting.batch()

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
