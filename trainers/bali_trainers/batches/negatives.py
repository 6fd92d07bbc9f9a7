"""Hard negatives: concepts of the graph that are easily taken for those of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from bali_platform.subgraphs import Neighbourhood, NeighbourhoodSource
from bali_trainers.batches.lookalikes import LookAlikes, likeness
from bali_trainers.batches.names import NameDrawer
from bali_trainers.batches.randomness import sample_without_replacement

T = TypeVar("T")
SHARED = 2  # neighbours of a concept through which its siblings are sought
SIBLINGS = 16  # siblings of a concept whose names are compared


def draw_negatives(
    targets: Sequence[Neighbourhood],
    source: NeighbourhoodSource,
    names: NameDrawer,
    alike: LookAlikes,
    *,
    count: int,
    random: np.random.Generator,
) -> list[Neighbourhood]:
    """Draw up to ``count`` concepts for each target; a target of the batch is none.

    Half of ``count`` (rounded up) are look-alikes: those whose preferred names look most like the
    target's, see :func:`~bali_trainers.batches.lookalikes.likeness`, among its siblings and the
    concepts of the corpus. The others are siblings, drawn evenly: concepts with the same relation
    to the same neighbour.
    """
    concepts = sorted({target.cui: target for target in targets}.values(), key=lambda t: t.cui)
    siblings = _siblings(concepts, source, random)
    own = names.preferred([concept.cui for concept in concepts])
    wanted = -(-count // 2)
    lookalikes = [alike.nearest(name, wanted) for name in own]
    known = sorted({cui for found in (*siblings, *lookalikes) for cui in found})
    name = dict(zip(known, names.preferred(known), strict=True))
    chosen: set[str] = set()
    for mine, others, near in zip(own, siblings, lookalikes, strict=True):
        ranked = sorted({*others, *near}, key=lambda cui: (-likeness(name[cui], mine), cui))
        chosen.update(ranked[:wanted])
        # Siblings come in random order.
        rest = [cui for cui in others if cui not in ranked[:wanted]]
        chosen.update(rest[: count - wanted])
    mentioned = {concept.cui for concept in concepts}
    # A concept of the corpus may have been retired: what counts is its successor.
    live = {one.cui: one for one in source.neighbourhoods(sorted(chosen)).found.values()}
    return [live[cui] for cui in sorted(live.keys() - mentioned)]


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
