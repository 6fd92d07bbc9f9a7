"""The reranker of ambiguous names, made of a language model and the live graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking import Reranker
from bali_platform.base.settings import Settings
from bali_platform.graph.client import Graph
from bali_platform.subgraphs import GraphNeighbourhoods


@dataclass(frozen=True)
class ModelReranker:
    """Makes the reranker of a model and the live graph, in whatever process needs it."""

    model: str
    threshold: float
    settings: Settings

    def __call__(self) -> Reranker:
        """Load the model and connect to the graph."""
        from bali_trainers.inference.embedding import NameEncoder

        encoder = NameEncoder(self.model, name_length=128)

        def encode(texts: Sequence[str]) -> NDArray[np.floating]:
            embedded = encoder.encode(texts)
            return embedded.vectors[embedded.row]

        source = GraphNeighbourhoods(Graph.connect(self.settings))
        return Reranker(encode, source.names, self.threshold)
