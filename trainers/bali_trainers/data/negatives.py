"""Hard negatives: concepts of the graph that are easily taken for those of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from bali_platform.subgraphs import Neighbourhood, NeighbourhoodSource
from bali_trainers.data.names import NameDrawer
from bali_trainers.data.randomness import sample_without_replacement

__all__ = ["draw_negatives", "likeness"]

T = TypeVar("T")
SHARED = 2  # neighbours of a concept through which its siblings are sought
SIBLINGS = 16  # siblings of a concept whose names are compared


def draw_negatives(
    targets: Sequence[Neighbourhood],
    source: NeighbourhoodSource,
    names: NameDrawer,
    *,
    count: int,
    random: np.random.Generator,
) -> list[Neighbourhood]:
    """Draw up to ``count`` siblings for each target; a target of the batch is none.

    Siblings have the same relation to the same neighbour. Of the siblings found, half of
    ``count`` (rounded up) are those whose preferred names look most like the target's, see
    :func:`likeness`; the others are drawn evenly.
    """
    concepts = sorted({target.cui: target for target in targets}.values(), key=lambda t: t.cui)
    siblings = _siblings(concepts, source, random)
    known = sorted({cui for found in siblings for cui in found} | {c.cui for c in concepts})
    name = dict(zip(known, names.preferred(known), strict=True))
    chosen: set[str] = set()
    for concept, found in zip(concepts, siblings, strict=True):
        own = name[concept.cui]
        by_likeness = sorted(found, key=lambda cui: (-likeness(name[cui], own), cui))
        alike = by_likeness[: -(-count // 2)]
        # Siblings come in random order.
        others = [cui for cui in found if cui not in alike]
        chosen.update(alike + others[: count - len(alike)])
    drawn = source.neighbourhoods(sorted(chosen - {concept.cui for concept in concepts})).found
    return [drawn[cui] for cui in sorted(drawn)]


def likeness(one: str, other: str) -> float:
    """Return the share of character trigrams that two names have in common, without case.

    >>> likeness("acute gastritis", "Acute Gastritis"), likeness("fever", "cough")
    (1.0, 0.0)
    """
    ours, theirs = _trigrams(one), _trigrams(other)
    return len(ours & theirs) / len(ours | theirs)


def _trigrams(name: str) -> set[str]:
    padded = f"  {name.lower()} "
    return {padded[i : i + 3] for i in range(len(padded) - 2)}


def _siblings(
    concepts: Sequence[Neighbourhood], source: NeighbourhoodSource, random: np.random.Generator
) -> list[list[str]]:
    """Return at most ``SIBLINGS`` siblings of each concept, in random order."""
    shared = _sample([concept.edges for concept in concepts], SHARED, random)
    asked = sorted({edge.neighbour for edges in shared for edge in edges})
    around = source.neighbourhoods(asked).found
    candidates = [
        sorted(
            {
                back.neighbour
                for edge in edges
                if edge.neighbour in around
                for back in around[edge.neighbour].edges
                if (back.type, back.outgoing) == (edge.type, not edge.outgoing)
            }
            - {concept.cui}
        )
        for concept, edges in zip(concepts, shared, strict=True)
    ]
    return _sample(candidates, SIBLINGS, random)


def _sample(pools: Sequence[Sequence[T]], count: int, random: np.random.Generator) -> list[list[T]]:
    """Draw at most ``count`` of each pool, evenly and in random order."""
    sizes = np.fromiter(map(len, pools), dtype=np.int64, count=len(pools))
    drawn: list[list[T]] = [[] for _ in pools]
    for row, choice in zip(*sample_without_replacement(random, sizes, count), strict=True):
        drawn[row].append(pools[row][choice])
    return drawn
