"""Edges that training never saw, and the concepts among which to look for their ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_platform.subgraphs import NeighbourhoodSource
from bali_trainers.batches.edges import is_withheld_edge, without_withheld
from bali_trainers.evaluation.metrics import Clusters, compare
from bali_trainers.evaluation.report import Scored, Section, Task

_CONCEPTS_AT_ONCE = 4096
Fact = tuple[str, str, str]


LINK_RULE = (
    "the other end is looked for by cosine near the concept's unit vector plus its relation's: the "
    "mean difference between tail and head over known edges, as if 10 more of no difference were "
    "known; other right answers are left out; of equally near ones, half are ahead"
)


@dataclass(frozen=True)
class EdgeTask(Task):
    """C concepts of a graph, and the edges between them.

    Attributes:
        source: Neighbourhoods as training sees them, without the withheld edges.
        withheld: The fraction of related pairs that training withheld.
        cuis: The concepts, ascending.
        names: Their preferred names.
        relations: The types of edges, ascending.
        known: [K, 3] head, type and tail of the edges that training sees.
        secret: [S, 3] of those withheld.
        asked: [Q, 3] of those of them that are asked about, in random order.
    """

    name = "edges"
    source: NeighbourhoodSource
    withheld: float
    cuis: tuple[str, ...]
    names: tuple[str, ...]
    relations: tuple[str, ...]
    known: NDArray[np.int64]
    secret: NDArray[np.int64]
    asked: NDArray[np.int64]

    @property
    def title(self) -> str:
        """What is asked."""
        return f"{len(self.asked):,} withheld edges among {len(self.cuis):,} concepts"

    @property
    def facts(self) -> dict[str, Any]:
        """How many there are, and how their ends are looked for."""
        return {
            "withheld": self.withheld,
            "concepts": len(self.cuis),
            "known": len(self.known),
            "asked": len(self.asked),
            "rule": LINK_RULE,
        }

    @property
    def clusters(self) -> Clusters:
        """The pair of concepts, numbered, of each question: all tails are asked first, [2 Q]."""
        ends = np.sort(self.asked[:, [0, 2]], axis=1)
        pairs: NDArray[np.int64] = np.unique(ends, axis=0, return_inverse=True)[1]
        return np.tile(pairs.reshape(-1), 2)

    def further(self, outcomes: Sequence[Scored]) -> dict[str, Section]:
        """Compare what a graph encoder makes of neighbours with what it makes of the name alone."""
        views = {(o.model, o.view): o for o in outcomes}
        gains = {
            model: compare(o.scores, views[model, "alone"].scores, self.clusters)
            for (model, view), o in views.items()
            if view == "graph"
        }
        return {"neighbours": Section(differences=gains)} if gains else {}

    def of_relation(self) -> dict[str, NDArray[np.bool_]]:
        """Mark the questions about each type of edge that is asked for, [2 Q], commonest first."""
        kind = np.tile(self.asked[:, 1], 2)
        kinds, counts = np.unique(kind, return_counts=True)
        return {self.relations[k]: kind == k for k in kinds[np.argsort(-counts, kind="stable")]}


def build_edge_task(
    cuis: Iterable[str],
    source: NeighbourhoodSource,
    *,
    withheld: float,
    limit: int | None = None,
    candidates: int = 50_000,
) -> EdgeTask:
    """Ask for the edges of a graph that training withheld; its ``cuis`` come in any order.

    ``candidates`` keeps that many concepts, chosen by hash, and the ends of what is asked;
    ``limit`` that many of the edges. A hub shows 64 of its edges, as everywhere; the others are not
    asked, and known only where the other end shows them.
    """
    pool = sorted(cuis, key=_shuffled)[:candidates]
    facts = _read(pool, source)
    secret = (fact for fact in facts if is_withheld_edge(fact[0], fact[2], withheld))
    asked = sorted(secret, key=lambda fact: _shuffled("|".join(fact)))[:limit]
    if not asked:
        raise BaliError(f"no edge is withheld at a fraction of {withheld}: nothing to evaluate")
    chosen = sorted({*pool, *(end for head, _, tail in asked for end in (head, tail))})
    facts |= _read(sorted({*chosen} - {*pool}), source)
    relations = sorted({relation for _, relation, _ in facts})
    numbers = {cui: number for number, cui in enumerate(chosen)}
    kinds = {relation: number for number, relation in enumerate(relations)}

    def numbered(some: Iterable[Fact]) -> NDArray[np.int64]:
        rows = [(numbers[head], kinds[kind], numbers[tail]) for head, kind, tail in some]
        return np.array(rows, dtype=np.int64).reshape(-1, 3)

    within = sorted(fact for fact in facts if fact[0] in numbers and fact[2] in numbers)
    hidden = [is_withheld_edge(head, tail, withheld) for head, _, tail in within]
    return EdgeTask(
        source=without_withheld(source, withheld),
        withheld=withheld,
        cuis=tuple(chosen),
        names=tuple(_preferred(chosen, source)),
        relations=tuple(relations),
        known=numbered(fact for fact, away in zip(within, hidden, strict=True) if not away),
        secret=numbered(fact for fact, away in zip(within, hidden, strict=True) if away),
        asked=numbered(asked),
    )


def _read(cuis: Sequence[str], source: NeighbourhoodSource) -> set[Fact]:
    """Return every edge of the concepts as (head, type, tail)."""
    facts: set[Fact] = set()
    for first in range(0, len(cuis), _CONCEPTS_AT_ONCE):
        found = source.neighbourhoods(cuis[first : first + _CONCEPTS_AT_ONCE]).found
        for cui, one in found.items():
            for neighbour, kind, outgoing in one.edges:
                facts.add((cui, kind, neighbour) if outgoing else (neighbour, kind, cui))
    return facts


def _preferred(cuis: Sequence[str], source: NeighbourhoodSource) -> list[str]:
    names: dict[str, tuple[str, ...]] = {}
    for first in range(0, len(cuis), _CONCEPTS_AT_ONCE):
        names |= source.names(cuis[first : first + _CONCEPTS_AT_ONCE])
    return [names[cui][0] for cui in cuis]


def _shuffled(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8, salt=b"edges").digest()
