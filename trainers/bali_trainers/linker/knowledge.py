"""What a linker knows of concepts: names with vectors, letters, kinds, and neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfVectorizer

from bali_platform.graph.names import name_key
from bali_platform.subgraphs import NeighbourhoodSource
from bali_trainers.evaluation import NameTable

_AT_ONCE = 2000
_LETTERS = (3, 3)


@dataclass(frozen=True)
class Knowledge:
    """A dictionary, the vectors of its names, and what the graph says of its concepts.

    Attributes:
        table: All names of all C concepts.
        vectors: [N, d] unit vector of each name.
        vocabularies: [C, K] 1 where a concept is in one of K vocabularies.
        edges: [C, C] 1 between neighbours, whatever the direction.
    """

    table: NameTable
    vectors: NDArray[np.float32]
    vocabularies: NDArray[np.float32]
    edges: csr_array

    def with_shuffled_edges(self, seed: int) -> Knowledge:
        """Return the same, where every concept has the edges of another: a control."""
        order = np.random.default_rng(seed).permutation(self.edges.shape[0])
        return replace(self, edges=csr_array(self.edges[order][:, order]))

    @cached_property
    def starts(self) -> NDArray[np.int64]:
        """[C + 1] where the bearers of each concept begin."""
        return np.searchsorted(self.table.bearers[:, 0], np.arange(len(self.table.cuis) + 1))

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """[C] how many names each concept has."""
        return np.diff(self.starts)

    @cached_property
    def preferred(self) -> NDArray[np.float32]:
        """[C, d] vector of each concept's preferred name."""
        vectors: NDArray[np.float32] = self.vectors[self.table.bearers[self.starts[:-1], 1]]
        return vectors

    @cached_property
    def surroundings(self) -> NDArray[np.float32]:
        """[C, d] unit vector of the mean of each concept's neighbours; zeros without any."""
        sums = np.asarray(self.edges @ self.preferred, dtype=np.float32)
        unit: NDArray[np.float32] = sums / np.maximum(
            np.linalg.norm(sums, axis=1, keepdims=True), 1e-9
        )
        return unit

    @cached_property
    def degree(self) -> NDArray[np.float32]:
        """[C] number of each concept's neighbours."""
        return np.asarray(self.edges.sum(axis=1), dtype=np.float32).reshape(-1)

    @cached_property
    def keys(self) -> list[str]:
        """[N] each name, folded."""
        return [name_key(name) for name in self.table.names]

    @cached_property
    def bearers_of_name(self) -> list[list[int]]:
        """[N] the concepts that bear each name."""
        found: list[list[int]] = [[] for _ in self.table.names]
        for concept, name, _ in self.table.bearers.tolist():
            found[name].append(concept)
        return found

    @cached_property
    def bearers_of_key(self) -> dict[str, list[int]]:
        """The concepts that bear each folded name."""
        found: dict[str, list[int]] = {}
        for concept, name, _ in self.table.bearers.tolist():
            own = found.setdefault(self.keys[name], [])
            if not own or own[-1] != concept:
                own.append(concept)
        return found

    @cached_property
    def letters(self) -> Letters:
        """The letters of all names."""
        return Letters(self.keys)


class Letters:
    """Names as weighed runs of three letters."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._weigh = TfidfVectorizer(analyzer="char_wb", ngram_range=_LETTERS, dtype=np.float32)
        self.names = csr_array(self._weigh.fit_transform(keys))

    def __call__(self, keys: Sequence[str]) -> csr_array:
        """Return sparse unit vectors of folded texts."""
        return csr_array(self._weigh.transform(keys))


def read_edges(source: NeighbourhoodSource, cuis: Sequence[str]) -> csr_array:
    """Return which concepts are neighbours, either way, [C, C]; of hubs, by a choice of edges."""
    number = {cui: concept for concept, cui in enumerate(cuis)}
    heads, tails = [], []
    for first in range(0, len(cuis), _AT_ONCE):
        some = cuis[first : first + _AT_ONCE]
        for cui, own in source.neighbourhoods(some).found.items():
            ends = {number[edge.neighbour] for edge in own.edges if edge.neighbour in number}
            heads += [number[cui]] * len(ends)
            tails += sorted(ends)
    return neighbours(np.array([heads, tails], dtype=np.int64).reshape(2, -1), len(cuis))


def no_edges(concepts: int) -> csr_array:
    """Return that no concepts are neighbours, [C, C]."""
    return neighbours(np.empty((2, 0), dtype=np.int64), concepts)


def neighbours(pairs: NDArray[np.int64], concepts: int) -> csr_array:
    """Return the symmetric matrix of pairs [2, E], without loops, ones where there is an edge."""
    head, tail = pairs[:, pairs[0] != pairs[1]]
    both = np.concatenate([head, tail]), np.concatenate([tail, head])
    edges = csr_array((np.ones(len(both[0]), np.float32), both), shape=(concepts, concepts))
    edges.data[:] = 1.0
    return edges
