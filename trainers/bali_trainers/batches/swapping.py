"""Mentions of other concepts in the same sentences: texts mention few concepts of a graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bali_trainers.batches.names import NameDrawer
from bali_trainers.batches.rewriting import Rewriting
from bali_trainers.batches.sentences import SentenceBatch

_LONGEST = 60  # characters of a name that a sentence might hold


class Swapper:
    """Makes a ``share`` of mentions mean concepts drawn from the whole graph, by names of theirs.

    The sentence around such a mention says nothing of its concept, so a model has to read the
    mention itself, or the definition of an abbreviation.
    """

    def __init__(self, share: float, names: NameDrawer) -> None:
        self._share, self._names = share, names

    def __call__(self, batch: SentenceBatch, random: np.random.Generator) -> SentenceBatch:
        """Swap mentions that overlap no other; a concept with too long a name takes no place."""
        if not self._share:
            return batch
        chosen = np.flatnonzero(random.random(len(batch.row)) < self._share).tolist()
        cuis = self._names.draw_concepts(len(chosen), random)
        names = self._names.draw(cuis, random)
        rewriting, cui = Rewriting(batch), batch.cui.astype(object)
        for mention, other, name in zip(chosen, cuis, names, strict=False):
            if len(name) <= _LONGEST and not rewriting.overlaps(mention):
                rewriting.show(mention, name)
                cui[mention] = other
        return replace(rewriting.batch(), cui=cui.astype(np.str_))
