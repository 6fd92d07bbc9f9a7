"""Which of several concepts a name means: ranks and twins first, then the graph around them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import exp, log1p
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.dictionary import Dictionary
from bali_loaders.linking.facts import ConceptFacts, Kind
from bali_loaders.linking.lexicon import Course, course
from bali_platform.base.errors import UsageError

Candidates = tuple[tuple[int, int], ...]
"""Concepts that share a name, each with the rank of that name among its own."""

_DRUGS = "ChemicalOrDrug"
_NARROW = re.compile(
    r"susceptib|\btype\b|congenital|familial|hereditary|inherited|autosomal|\d|isolated|neonatal"
    r"|childhood|juvenile|with |due to|inattentive",
    re.IGNORECASE,
)


class Answer(NamedTuple):
    """A concept, others of the same name, and how sure the choice is, 0 to 1. All by index."""

    concept: int
    alternatives: tuple[int, ...]
    score: float


@dataclass
class Chooser:
    """Decides between the concepts of a dictionary.

    Twins, concepts of the same name whose semantic groups overlap, are one answer: the one that
    ranks the name higher, is connected better, and is not narrower than the name. Between others
    the concepts that the document mentions decide, by the edges they share.
    """

    dictionary: Dictionary
    facts: ConceptFacts | None
    _static: dict[tuple[int, int], float] = field(default_factory=dict)
    _certain: dict[int, Answer] = field(default_factory=dict)
    _names: dict[int, str] = field(default_factory=dict)
    _courses: dict[int, Course] = field(default_factory=dict)
    _fact: NDArray[np.int64] = field(init=False)
    _groups: NDArray[np.int64] = field(init=False)
    _drugs: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        """Find each concept of the dictionary among the facts."""
        count = len(self.dictionary.cuis)
        self._fact = np.full(count, -1)
        self._groups = np.ones(count, dtype=np.int64)
        if self.facts:
            at = np.searchsorted(self.facts.cuis, self.dictionary.cuis)
            at = np.minimum(at, len(self.facts.cuis) - 1)
            self._fact = np.where(self.facts.cuis[at] == self.dictionary.cuis, at, -1)
            groups = _group_bits(self.facts)
            self._groups = np.where(self._fact >= 0, groups[self._fact], 1)
        known = self.facts and f"groups:{_DRUGS}" in self.facts.labels
        self._drugs = self.having({"groups": {_DRUGS}}) if known else np.zeros(count, dtype=bool)

    def name(self, concept: int) -> str:
        """Return the preferred name of a concept, its CUI where nothing is known of it."""
        known = self._names.get(concept)
        if known is None:
            at = int(self._fact[concept])
            known = self.facts.name(at) if self.facts and at >= 0 else self.cui(concept)
            self._names[concept] = known
        return known

    def cui(self, concept: int) -> str:
        """Return the CUI of a concept."""
        return str(self.dictionary.cuis[concept].decode())

    def course(self, concept: int) -> Course:
        """Return how long what a concept stands for goes on."""
        known = self._courses.get(concept)
        if known is None:
            drug = bool(self._drugs[concept])
            known = Course.DRUG if drug else course(self.name(concept))
            self._courses[concept] = known
        return known

    def having(self, wanted: Mapping[Kind, Collection[str]]) -> NDArray[np.bool_]:
        """Tell which concepts have one of the values of each kind; raises :class:`UsageError`."""
        mask = np.ones(len(self.dictionary.cuis), dtype=bool)
        if wanted and self.facts is None:
            raise UsageError("concepts can only be chosen by type with the facts of the graph")
        for kind, values in wanted.items():
            if self.facts is not None:
                mask &= self.facts.having(kind, values)[self._fact] & (self._fact >= 0)
        return mask

    def choose(self, candidates: Candidates, others: frozenset[int]) -> Answer:
        """Choose among the concepts of a name; ``others`` are those its document mentions."""
        if len(candidates) == 1:
            concept = candidates[0][0]
            return self._certain.get(concept) or self._certain.setdefault(
                concept, Answer(concept, (), 1.0)
            )
        concepts = [concept for concept, _ in candidates]
        scores = [self._score(concept, rank) for concept, rank in candidates]
        groups = [int(self._groups[concept]) for concept in concepts]
        if others and any(not one & groups[0] for one in groups):
            near = [self._shared(concept, others) for concept in concepts]
            scores = [score + 0.7 * log1p(n) for score, n in zip(scores, near, strict=True)]
        order = sorted(range(len(concepts)), key=lambda at: (-scores[at], at))
        best = order[0]
        rivals = [at for at in order[1:] if not groups[at] & groups[best]]
        score = 1 / (1 + sum(exp(scores[at] - scores[best]) for at in rivals))
        return Answer(concepts[best], tuple(concepts[at] for at in order[1:]), round(score, 4))

    def _score(self, concept: int, rank: int) -> float:
        known = self._static.get((concept, rank))
        if known is None:
            known = 1.0 * (rank == 0) - 0.4 * log1p(rank)
            at = int(self._fact[concept])
            if self.facts is not None and at >= 0:
                known += 0.15 * log1p(len(self.facts.neighbours(at)))
                known -= 1.5 * bool(_NARROW.search(self.facts.name(at)))
            self._static[concept, rank] = known
        return known

    def _shared(self, concept: int, others: frozenset[int]) -> int:
        at = int(self._fact[concept])
        if self.facts is None or at < 0:
            return 0
        near = {int(self._fact[other]) for other in others if other != concept}
        return len(near.intersection(self.facts.neighbours(at).tolist()))


def _group_bits(facts: ConceptFacts) -> NDArray[np.int64]:
    """Return the semantic groups of each concept as bits."""
    numbers: dict[int, int] = {}
    for at, label in enumerate(facts.labels):
        if label.startswith("groups:"):
            numbers[at] = 1 << len(numbers)
    bits = np.array([numbers.get(at, 0) for at in range(len(facts.labels))], dtype=np.int64)
    result = np.zeros(len(facts.cuis), dtype=np.int64)
    filled = np.flatnonzero(np.diff(facts.label_offsets))
    if len(filled):
        starts = facts.label_offsets[filled]
        result[filled] = np.bitwise_or.reduceat(bits[facts.label], starts)
    return result
