"""The concepts that a mention may mean: few, and among them as often as possible the right one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from bali_platform.base.consecutive import spell_out
from bali_platform.graph.names import name_key
from bali_trainers.linker.knowledge import Knowledge

_QUERIES_AT_ONCE = 256
_BY_NAME, _BY_LETTERS = 24, 12

Vectors = Any  # [N, d] float32, dense or sparse: scipy says no types


@dataclass(frozen=True)
class Mentions:
    """M mentions to link.

    Attributes:
        names: [M] what each is called.
        by_name: [M, d] unit vector of that.
        in_context: [M, d] unit vector of the mention in its sentence.
        document: [M] its document, numbered.
    """

    names: tuple[str, ...]
    by_name: NDArray[np.float32]
    in_context: NDArray[np.float32]
    document: NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """P pairs of a mention and a concept, by mention, each once.

    Attributes:
        mention: [P] ascending; every mention has one pair at least.
        concept: [P]
    """

    mention: NDArray[np.int64]
    concept: NDArray[np.int64]

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """[M] the first pair of each mention."""
        return np.flatnonzero(np.diff(self.mention, prepend=-1))


def find_candidates(knowledge: Knowledge, mentions: Mentions) -> Candidates:
    """Take who bears the name, and who is near it by vectors and by letters."""
    keys, key_of = np.unique([name_key(name) for name in mentions.names], return_inverse=True)
    _, first = np.unique(key_of, return_index=True)
    by_name = _nearest(knowledge, knowledge.vectors, mentions.by_name[first], _BY_NAME)
    by_letters = _nearest(
        knowledge, knowledge.letters.names, knowledge.letters(keys.tolist()), _BY_LETTERS
    )
    bearing = [knowledge.bearers_of_key.get(key, []) for key in keys.tolist()]
    found = [
        np.unique(np.concatenate(own)) for own in zip(by_name, by_letters, bearing, strict=True)
    ]
    sizes = np.array([len(own) for own in found])
    _, row = spell_out((np.cumsum(sizes) - sizes)[key_of], sizes[key_of])
    concept = np.concatenate(found).astype(np.int64)[row]
    return Candidates(np.repeat(np.arange(len(key_of)), sizes[key_of]), concept)


def _nearest(
    knowledge: Knowledge, names: Vectors, queries: Vectors, count: int
) -> list[NDArray[np.int64]]:
    """Return at most ``count`` concepts of the nearest names of each query, by dot product."""
    first = knowledge.bearers_of_name
    found: list[NDArray[np.int64]] = []
    for at in range(0, queries.shape[0], _QUERIES_AT_ONCE):
        product: Any = queries[at : at + _QUERIES_AT_ONCE] @ names.T
        scores = product.toarray() if issparse(product) else product
        wanted = min(3 * count, scores.shape[1])
        top = np.argpartition(-scores, wanted - 1, axis=1)[:, :wanted]
        top = np.take_along_axis(top, np.argsort(-np.take_along_axis(scores, top, 1), axis=1), 1)
        for row in top.tolist():
            bearing = [c for name in row for c in first[name]]
            found.append(np.array(list(dict.fromkeys(bearing))[:count], dtype=np.int64))
    return found
