"""What the encoders make of a batch, computed once and only when an objective asks for it."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from bali_trainers.batch import Batch, Linearised
from bali_trainers.models.text import TextEncoder

__all__ = ["Views"]


class Views:
    """A batch seen by the encoders.

    Attributes:
        batch: The batch, on the encoders' device.
        text: The language model, for objectives that use its head.
    """

    def __init__(
        self, batch: Batch, text: TextEncoder, pooling: nn.Module, graph: nn.Module
    ) -> None:
        self.batch, self.text = batch, text
        self._pooling, self._graph = pooling, graph

    @cached_property
    def _states(self) -> tuple[Tensor, Tensor]:
        batch = self.batch
        positions = torch.cat([batch.mention_tokens, batch.predicted])
        states = self.text.states(batch.sentences.ids, batch.sentences.mask, positions)
        count = len(batch.mention_tokens)
        return states[:count], states[count:]

    @property
    def mention_states(self) -> Tensor:
        """State of each token of each mention, ``[T, d]``, as ``batch.mention_tokens`` has them."""
        return self._states[0]

    @cached_property
    def mentions(self) -> Tensor:
        """Pooled vector of each mention, ``[M, d]``."""
        pooled: Tensor = self._pooling(self.mention_states, self.batch.mention_offsets)
        return pooled

    @property
    def predicted(self) -> Tensor:
        """State of each token to predict, ``[P, d]``."""
        return self._states[1]

    @property
    def names(self) -> Tensor:
        """Vector of the name drawn for each mention's concept, ``[M, d]``."""
        graph = self.batch.graph
        if isinstance(graph, Linearised):
            raise TypeError("a linearised batch has no names")
        return self.nodes[graph.targets]

    @cached_property
    def nodes(self) -> Tensor:
        """Vector of each node, ``[V, d]``: its name, read by the same language model.

        Each distinct name is read once.
        """
        graph = self.batch.graph
        if isinstance(graph, Linearised):
            raise TypeError("a linearised batch has no nodes")
        return self.text.pooled(graph.names.ids, graph.names.mask)[graph.node_name]

    @cached_property
    def graph(self) -> Tensor:
        """Vector of the neighbourhood of each mention's concept, ``[M, d]``."""
        graph = self.batch.graph
        if isinstance(graph, Linearised):
            return self.text.first(graph.text.ids, graph.text.mask)
        encoded: Tensor = self._graph(self.nodes, graph.edges, graph.types, graph.targets)
        return encoded
