"""Exact nearest-name ranking of concepts, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import Tensor

from bali_platform.base.consecutive import spell_out
from bali_trainers.inference.precision import scores_at_once, whole_products

RULE = (
    "concepts whose nearest names are equally near (within 1e-5) are ordered by how many names "
    "they have, most first, then by the place of that name among their own, then by CUI"
)
_TIE = 1e-5  # ten times what the order of summation changes in products of unit vectors
_PAIRS_AT_ONCE = 8_192

Indices = NDArray[np.int64]
Vectors = NDArray[np.floating]


@dataclass(frozen=True)
class Bearers:
    """Which concepts bear which names: P pairs, by concept, without repeats.

    Attributes:
        concept: [P] concept of each pair, ascending, numbered without gaps in order of CUI.
        name: [P] row of its name's vector.
        place: [P] place of the name among the concept's names, 0 for the preferred one.
        size: [C] how many names each concept has, those with equal vectors too.
    """

    concept: Indices
    name: Indices
    place: Indices
    size: Indices


@dataclass(frozen=True)
class Ranks:
    """Where the wanted concepts stand, for each of Q queries.

    A concept is as near as its nearest name.

    Attributes:
        nearer: [Q] concepts nearer than the nearest wanted one.
        ahead: [Q] equally near ones that :data:`RULE` puts before every wanted one.
        tied: [Q] concepts that are equally near.
        wanted: [Q] wanted ones among them.
    """

    nearer: Indices
    ahead: Indices
    tied: Indices
    wanted: Indices

    @property
    def rank(self) -> Indices:
        """Rank of the first wanted concept, from 1, [Q]."""
        return 1 + self.nearer + self.ahead


def rank_concepts(
    queries: Vectors,
    names: Vectors,
    bearers: Bearers,
    gold: Sequence[NDArray[np.int64]],
    device: str = "cpu",
) -> Ranks:
    """Rank all concepts for each query by the dot product with their names' vectors.

    Memory: a block of scores, see :func:`scores_at_once`, beside the vectors themselves, which may
    be stored in half precision. The queries' are on the device, those of names only by the block.

    Args:
        queries: [Q, d] vectors of unit length.
        names: [N, d] vectors of unit length. Both may be sparse matrices, on a CPU.
        bearers: Names of the concepts.
        gold: The wanted concepts of each query, one at least.
        device: Where products are computed.
    """
    starts = np.searchsorted(bearers.concept, np.arange(bearers.concept[-1] + 2))
    best = torch.from_numpy(_nearest_wanted(queries, names, bearers, starts, gold)).to(device)
    nearer = torch.zeros(len(gold), dtype=torch.int64, device=device)
    asked = _carry(queries, device)
    at_once = max(1, scores_at_once(device) // _PAIRS_AT_ONCE)
    ties = [np.empty((3, 0), dtype=np.int64)]
    for first, end in _concept_blocks(starts):
        pairs = slice(int(starts[first]), int(starts[end]))
        own = _carry(names[bearers.name[pairs]], device)
        concept = torch.from_numpy(bearers.concept[pairs] - first).to(device)
        for query in range(0, len(gold), at_once):
            some = slice(query, query + at_once)
            scores = _products(own, asked[some])
            concepts = _greatest(scores, concept, end - first)
            nearer[some] += (concepts > best[some] + _TIE).sum(0)
            tied = _tied_pairs(scores, concepts, best[some], starts[first : end + 1])
            ties.append(tied + np.array([[query], [first], [0]]))
    query, concepts, pair = np.concatenate(ties, axis=1)
    rivals = np.stack([query, concepts, bearers.place[pair], -bearers.size[concepts]])
    ordered = _order_ties(rivals, gold)
    return Ranks(nearer.cpu().numpy(), *ordered)


def _concept_blocks(starts: Indices) -> list[tuple[int, int]]:
    """Cut the concepts into runs of some :data:`_PAIRS_AT_ONCE` names, one concept at least."""
    blocks, first, last = [], 0, len(starts) - 1
    while first < last:
        room = int(np.searchsorted(starts, starts[first] + _PAIRS_AT_ONCE, side="right")) - 1
        end = min(max(room, first + 1), last)
        blocks.append((first, end))
        first = end
    return blocks


def _carry(vectors: Vectors, device: str) -> Any:
    """Return vectors as a tensor on the device; sparse ones stay what they are."""
    if issparse(vectors):
        return vectors
    return torch.from_numpy(np.asarray(vectors)).to(device).float()


def _products(names: Any, queries: Any) -> Tensor:
    if issparse(names):
        return torch.from_numpy((names @ queries.T).toarray())
    with whole_products(names.device.type):
        scores: Tensor = names @ queries.T
    return scores


def _greatest(scores: Tensor, concept: Tensor, concepts: int) -> Tensor:
    """Return each concept's greatest score by query, ``[C, Q]``, of those of its names."""
    lowest = scores.new_full((concepts, scores.shape[1]), -torch.inf)
    return lowest.scatter_reduce_(0, concept[:, None].expand_as(scores), scores, "amax")


def _tied_pairs(scores: Tensor, concepts: Tensor, best: Tensor, starts: Indices) -> Indices:
    """Return (query, concept, pair), [3, T], of the names as near as ``best`` of level concepts.

    ``scores`` and their maxima ``concepts`` are by query in columns; the names of concept c, both
    counted within the block, are pairs ``starts[c]`` to ``starts[c + 1]``.
    """
    concept, query = ((concepts - best).abs() <= _TIE).nonzero().cpu().numpy().T
    level, pair = spell_out(starts[concept], starts[concept + 1] - starts[concept])
    concept, query = concept[level], query[level]
    row, column = torch.from_numpy(np.stack([pair - starts[0], query])).to(scores.device)
    near = ((scores[row, column] - best[column]).abs() <= _TIE).cpu().numpy()
    return np.stack([query, concept, pair])[:, near]


def _nearest_wanted(
    queries: Vectors,
    names: Vectors,
    bearers: Bearers,
    starts: Indices,
    gold: Sequence[NDArray[np.int64]],
) -> NDArray[np.float32]:
    rows = [
        np.concatenate([bearers.name[starts[c] : starts[c + 1]] for c in wanted]) for wanted in gold
    ]
    nearest = (
        _products(_carry(names[own], "cpu"), _carry(queries[[i]], "cpu")).max()
        for i, own in enumerate(rows)
    )
    return np.fromiter(nearest, dtype=np.float32, count=len(rows))


def _order_ties(
    ties: NDArray[np.int64], gold: Sequence[NDArray[np.int64]]
) -> tuple[Indices, Indices, Indices]:
    """Return (ahead, tied, wanted) by query; ``ties`` are [4, T]: query, concept, place, -size."""
    rows = [(0, 0, 0)] * len(gold)
    for query, concepts in _by_query(ties):
        right = np.flatnonzero(np.isin(concepts, gold[query]))
        rows[query] = (int(right[0]), len(concepts), len(right))
    ahead, tied, wanted = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return ahead, tied, wanted


def _by_query(ties: NDArray[np.int64]) -> Iterator[tuple[int, Indices]]:
    """Yield each query and its tied concepts, each once, in the order of :data:`RULE`."""
    query, concept, place, _ = ties
    ties = ties[:, np.lexsort((place, concept, query))]
    first = (np.diff(ties[:2], axis=1, prepend=-1) != 0).any(axis=0)
    query, concept, place, fewness = ties[:, first]
    order = np.lexsort((concept, place, fewness, query))
    numbers, first = np.unique(query[order], return_index=True)
    yield from zip(numbers.tolist(), np.split(concept[order], first[1:]), strict=True)
