"""Which of several concepts a name means: ranks and twins first, then the graph around them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import exp, log1p
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.dictionary import Dictionary
from bali_loaders.linking.facts import ConceptFacts, Kind
from bali_loaders.linking.lexicon import Course, course
from bali_loaders.linking.matcher import Indices, ranked
from bali_platform.base.errors import UsageError

Candidates = tuple[tuple[int, int], ...]
"""Concepts that share a name, each with the rank of that name among its own."""

_KEPT = 100_000
_SURE = (0.96, 0.9, 0.72)
"""How often people who marked a name chose its only concept, where that ranks the name first, to
eighth, lower: BC5CDR train and a quarter of MedMentions train, with the graph of an open release.
"""
_SURE_OF_TWINS = 0.6
"""The same of the concept chosen among several."""
_DRUGS = "ChemicalOrDrug"
_NARROW = re.compile(
    r"susceptib|\btype\b|congenital|familial|hereditary|inherited|autosomal|\d|isolated|neonatal"
    r"|childhood|juvenile|with |due to|inattentive",
    re.IGNORECASE,
)


class Answer(NamedTuple):
    """What a name means: a concept, others of that name, and how sure the choice is, 0 to 1.

    Others come by CUI, the likelier first; ``course`` is how long the condition lasts. The score is
    measured: the share of such names for which people chose the concept.
    """

    cui: str
    name: str
    alternatives: tuple[str, ...]
    score: float
    course: int


@dataclass
class Chooser:
    """Decides between the concepts of a dictionary. What does not depend on context is kept.

    Twins, concepts of the same name whose semantic groups overlap, or that a source says are the
    same, are one answer: the one that ranks the name higher, is connected better, and is not
    narrower than the name. Between others the concepts that the document mentions decide, by the
    edges they share. What is the same as the chosen one is an alternative whatever its names.
    """

    dictionary: Dictionary
    facts: ConceptFacts | None
    _static: dict[tuple[int, int], float] = field(default_factory=dict)
    _alone: NDArray[np.object_] = field(init=False)
    _twins: dict[Candidates, Answer | Literal[False]] = field(default_factory=dict)
    _fact: Indices = field(init=False)
    _groups: Indices = field(init=False)
    _drugs: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        """Find each concept of the dictionary among the facts."""
        count = len(self.dictionary.cuis)
        self._alone = np.full((len(_SURE), count), None)
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

    def having(self, wanted: Mapping[Kind, Collection[str]]) -> NDArray[np.bool_]:
        """Tell which concepts have one of the values of each kind; raises :class:`UsageError`."""
        mask = np.ones(len(self.dictionary.cuis), dtype=bool)
        if wanted and self.facts is None:
            raise UsageError("concepts can only be chosen by type with the facts of the graph")
        for kind, values in wanted.items():
            if self.facts is not None:
                mask &= self.facts.having(kind, values)[self._fact] & (self._fact >= 0)
        return mask

    def choose(
        self, match: Indices, entry: Indices, text: Indices
    ) -> tuple[Indices, NDArray[np.object_]]:
        """Return the matches that have entries, and the :class:`Answer` of each.

        ``text`` is the one that each match is in: what it surely mentions is the context.
        """
        match, concept, rank = ranked(
            match, self.dictionary.concept[entry], self.dictionary.rank[entry]
        )
        first = np.flatnonzero(np.diff(match, prepend=-1))
        after = np.append(first[1:], len(match))[: len(first)]
        matched, best = match[first], concept[first]
        answers = self._certain(best, rank[first])
        several = np.flatnonzero(after - first > 1)
        if len(several):
            sure = after - first == 1
            among = _Context(self, text[matched[sure]], self._fact[best[sure]])
            concepts, ranks = concept.tolist(), rank.tolist()
            bounds = several, first[several], after[several], text[matched[several]]
            for at, low, high, place in zip(*(c.tolist() for c in bounds), strict=True):
                own = tuple(zip(concepts[low:high], ranks[low:high], strict=True))
                answers[at] = self._twin(own) or among.choose(own, place)
        return matched, answers

    def among(self, candidates: Candidates, others: frozenset[int]) -> Answer:
        """Choose among several concepts; ``others`` are the facts that the document mentions."""
        concepts = [concept for concept, _ in candidates]
        scores = [self._score(concept, rank) for concept, rank in candidates]
        if others:
            near = [self._shared(concept, others) for concept in concepts]
            scores = [score + 0.7 * log1p(n) for score, n in zip(scores, near, strict=True)]
        order = sorted(range(len(concepts)), key=lambda at: (-scores[at], at))
        best = order[0]
        rivals = [at for at in order[1:] if not self._alike(concepts[at], concepts[best])]
        share = 1 / (1 + sum(exp(scores[at] - scores[best]) for at in rivals))
        return self._answer([concepts[at] for at in order], round(_SURE_OF_TWINS * share, 4))

    def _certain(self, concepts: NDArray[np.int32], rank: NDArray[np.uint8]) -> NDArray[np.object_]:
        level = np.searchsorted((1, 8), rank, side="right")
        answers: NDArray[np.object_] = self._alone[level, concepts]
        unseen = np.flatnonzero(~answers.astype(bool))
        if len(unseen):
            pairs = level[unseen], concepts[unseen]
            for own, concept in set(zip(*(column.tolist() for column in pairs), strict=True)):
                self._alone[own, concept] = self._answer([concept], _SURE[own])
            answers[unseen] = self._alone[pairs]
        return answers

    def _twin(self, candidates: Candidates) -> Answer | None:
        """Choose among twins; None where context may decide otherwise."""
        known = self._twins.get(candidates)
        if known is None:
            alike = all(self._alike(concept, candidates[0][0]) for concept, _ in candidates)
            known = self.among(candidates, frozenset()) if alike else False
            if len(self._twins) >= _KEPT:
                self._twins.clear()
            self._twins[candidates] = known
        return known or None

    def _answer(self, concepts: list[int], score: float) -> Answer:
        own = dict.fromkeys(map(int, self._fact[concepts]))
        same = [at for at in self._same_as(concepts[0]) if at not in own]
        named = [self.dictionary.cuis[concept] for concept in concepts]
        if self.facts and same:
            named += self.facts.cuis[same].tolist()
        best, *others = (cui.decode() for cui in named)
        name = self._name(concepts[0])
        lasts = Course.DRUG if self._drugs[concepts[0]] else course(name)
        return Answer(best, name, tuple(others), score, int(lasts))

    def _alike(self, one: int, other: int) -> bool:
        """Tell whether two concepts can be twins."""
        overlap = int(self._groups[one]) & int(self._groups[other])
        return bool(overlap) or int(self._fact[other]) in self._same_as(one)

    def _same_as(self, concept: int) -> list[int]:
        at = int(self._fact[concept])
        same: list[int] = self.facts.same_as(at).tolist() if self.facts and at >= 0 else []
        return same

    def _name(self, concept: int) -> str:
        """Return the preferred name of a concept, its CUI where nothing is known of it."""
        at = int(self._fact[concept])
        if self.facts and at >= 0:
            return self.facts.name(at)
        return str(self.dictionary.cuis[concept].decode())

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
        return len(others.intersection(self.facts.neighbours(at).tolist()))


class _Context:
    """What decides in some texts: the concepts that each mentions beyond doubt, by their facts."""

    def __init__(self, chooser: Chooser, text: Indices, facts: Indices) -> None:
        self._chooser, self._text, self._facts = chooser, text, facts
        self._mentioned: dict[int, frozenset[int]] = {}
        self._chosen: dict[tuple[int, Candidates], Answer] = {}

    def choose(self, candidates: Candidates, text: int) -> Answer:
        """Choose as :meth:`Chooser.among`, once for each name and text."""
        if text not in self._mentioned:
            low, high = np.searchsorted(self._text, [text, text + 1])
            self._mentioned[text] = frozenset(self._facts[low:high].tolist())
        known = self._chosen.get((text, candidates))
        if known is None:
            known = self._chooser.among(candidates, self._mentioned[text])
            self._chosen[text, candidates] = known
        return known


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
