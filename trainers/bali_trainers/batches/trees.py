"""Drawing the subgraph around every mentioned concept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_platform.subgraphs import Edge, Neighbourhood, NeighbourhoodSource
from bali_trainers.batches.randomness import sample_without_replacement


@dataclass(frozen=True)
class Trees:
    """One tree of sampled neighbours per target; equal concepts in two places are two nodes.

    Attributes:
        cuis: Concept of each of the V nodes; the targets come first, in their order.
        root: [V] target whose tree a node belongs to.
        edge_index: [2, E] node that sends, node that receives.
        edge_type: [E] ``2 * relation + (0 if the stored edge points out of the receiver else 1)``.

    """

    cuis: list[str]
    root: NDArray[np.int32]
    edge_index: NDArray[np.int32]
    edge_type: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Node:
    edges: Sequence[Edge]
    parent: str | None

    def candidates(self) -> Sequence[Edge]:
        """Return the edges that lead on; the way back would only repeat what is known."""
        if self.parent is None:
            return self.edges
        return [edge for edge in self.edges if edge.neighbour != self.parent]


def grow_trees(
    targets: Sequence[Neighbourhood],
    source: NeighbourhoodSource,
    relations: Mapping[str, int],
    *,
    count: int,
    hops: int,
    random: np.random.Generator,
    telling: bool = False,
) -> Trees:
    """Draw at most ``count`` neighbours without replacement for each node, ``hops`` levels deep.

    Evenly; or, with ``telling``, those with the fewest neighbours of their own. Either way they
    come in random order.
    """
    cuis = [target.cui for target in targets]
    roots = [np.arange(len(targets), dtype=np.int32)]
    ends, types = [np.empty((2, 0), dtype=np.int32)], [np.empty(0, dtype=np.int32)]
    level = [_Node(target.edges, None) for target in targets]
    first = 0
    for hop in range(hops):
        candidates: list[Sequence[Edge]] = [node.candidates() for node in level]
        if telling:
            candidates = _most_telling(candidates, source, count, random)
        sizes = np.fromiter(map(len, candidates), dtype=np.int64, count=len(candidates))
        row, choice = sample_without_replacement(random, sizes, count)
        drawn = [candidates[i][j] for i, j in zip(row.tolist(), choice.tolist(), strict=True)]
        receiver = first + row
        first = len(cuis)
        ends.append(np.stack([first + np.arange(len(drawn)), receiver]).astype(np.int32))
        types.append(np.array([_edge_type(edge, relations) for edge in drawn], dtype=np.int32))
        roots.append(roots[-1][row])
        parents = [cuis[node] for node in receiver.tolist()]
        cuis += [edge.neighbour for edge in drawn]
        if hop + 1 < hops:
            level = _next_level(drawn, parents, source)
    return Trees(cuis, np.concatenate(roots), np.concatenate(ends, axis=1), np.concatenate(types))


def _most_telling(
    pools: Sequence[Sequence[Edge]],
    source: NeighbourhoodSource,
    count: int,
    random: np.random.Generator,
) -> list[Sequence[Edge]]:
    """Keep the ``count`` edges of each node to neighbours with the fewest edges of their own."""
    asked = {edge.neighbour for edges in pools if len(edges) > count for edge in edges}
    found = source.neighbourhoods(sorted(asked)).found
    degree = {cui: len(one.edges) for cui, one in found.items()}
    kept: list[Sequence[Edge]] = []
    for edges in pools:
        degrees = np.array([degree.get(edge.neighbour, 0) for edge in edges])
        order = np.lexsort((random.random(len(edges)), degrees))  # chance decides between equals
        kept.append([edges[place] for place in order[:count].tolist()])
    return kept


def _next_level(
    drawn: Sequence[Edge], parents: Sequence[str], source: NeighbourhoodSource
) -> list[_Node]:
    found = source.neighbourhoods(sorted({edge.neighbour for edge in drawn})).found
    return [
        _Node(found[edge.neighbour].edges if edge.neighbour in found else (), parent)
        for edge, parent in zip(drawn, parents, strict=True)
    ]


def _edge_type(edge: Edge, relations: Mapping[str, int]) -> int:
    if edge.type not in relations:
        raise BaliError(
            f"relationship type {edge.type} is not among those the job was queued with: "
            "the graph has changed, queue the job again"
        )
    return 2 * relations[edge.type] + (0 if edge.outgoing else 1)
