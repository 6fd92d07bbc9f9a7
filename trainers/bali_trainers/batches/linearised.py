"""Subgraphs as text, for a language model that is its own graph encoder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bali_trainers.batches.tokens import WordPieces, pad
from bali_trainers.batches.trees import Trees


class Lineariser:
    """Writes ``name [SEP] head relation tail [SEP] ...``; a fact reads as the graph stores it."""

    def __init__(
        self,
        pieces: WordPieces,
        relation_types: Sequence[str],
        *,
        name_length: int,
        graph_length: int,
    ) -> None:
        self._pieces = pieces
        self._name_length, self._graph_length = name_length, graph_length
        self._cls, self._sep = pieces.special_id("cls"), pieces.special_id("sep")
        phrases = [relation.lower().replace("_", " ") for relation in relation_types]
        self._relations = pieces.pieces(phrases, name_length)

    def __call__(
        self, trees: Trees, names: Sequence[str], node_name: NDArray[np.int32], targets: int
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """Return ids and mask of the text of each target's tree, both [targets, Lg].

        A fact that would pass ``graph_length`` is left out whole, and so are those after it.
        """
        words = self._pieces.pieces(names, self._name_length)
        own = [words[row] for row in node_name.tolist()]
        texts = [[self._cls, *own[target][: self._graph_length - 2]] for target in range(targets)]
        complete = [False] * targets
        edges = zip(*trees.edge_index.tolist(), trees.edge_type.tolist(), strict=True)
        for sender, receiver, edge_type in edges:
            head, tail = (receiver, sender) if edge_type % 2 == 0 else (sender, receiver)
            fact = [self._sep, *own[head], *self._relations[edge_type // 2], *own[tail]]
            root = int(trees.root[receiver])
            complete[root] |= len(texts[root]) + len(fact) >= self._graph_length
            if not complete[root]:
                texts[root] += fact
        return pad([[*text, self._sep] for text in texts], self._pieces.special_id("pad"))
