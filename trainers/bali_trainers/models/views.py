"""What the encoders make of a batch, computed once and only when an objective asks for it."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from bali_platform.base.errors import BaliError
from bali_trainers.batches.batch import Batch, Linearised, Subgraph
from bali_trainers.models.text import TextEncoder
from bali_trainers.training.distributed import gather_numbers


class Counts(NamedTuple):
    """How many mentions, hard negatives, nodes, pairs of names and of kin each rank has."""

    mentions: list[int]
    negatives: list[int]
    nodes: list[int]
    pairs: list[int]
    families: list[int]


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
    def _states(self) -> Tensor:
        batch = self.batch
        parts = zip(batch.sentences.blocks(), batch.reads, strict=True)
        return torch.cat([self.text.states(ids, mask, read) for (ids, mask), read in parts])

    @cached_property
    def mention_states(self) -> Tensor:
        """State of each token of each mention, ``[T, d]``."""
        return self._states[self.batch.mention_states]

    @cached_property
    def mentions(self) -> Tensor:
        """Pooled vector of each mention, ``[M, d]``."""
        pooled: Tensor = self._pooling(self.mention_states, self.batch.mention_offsets)
        return pooled

    @cached_property
    def predicted(self) -> Tensor:
        """State of each token to predict, ``[P, d]``."""
        return self._states[self.batch.predicted.states]

    @cached_property
    def masked_mentions(self) -> Tensor:
        """State of each masked token of each mention, ``[Q, d]``."""
        return self._states[self.batch.masked.states]

    @cached_property
    def names(self) -> Tensor:
        """Vector of a name of each mention, ``[M, d]``: one drawn, or its text read alone."""
        return self._names[self.subgraph.mention_names]

    @cached_property
    def name_pairs(self) -> Tensor:
        """Vectors of two names of concepts that have as many, ``[2, S, d]``."""
        return self._names[self.subgraph.pairs]

    @cached_property
    def nodes(self) -> Tensor:
        """Vector of each node, ``[V, d]``: its name, read by the same language model."""
        return self._names[self.subgraph.node_name]

    @cached_property
    def every_name(self) -> tuple[Tensor, Tensor]:
        """Vectors of all names that are read, and the labels of their concepts."""
        graph = self.subgraph
        labels = [graph.node_concept, graph.pair_concepts, graph.pair_concepts]
        return torch.cat([self.nodes, *self.name_pairs]), torch.cat(labels)

    @cached_property
    def graph(self) -> Tensor:
        """Vector of the neighbourhood of each mention's concept, ``[M, d]``."""
        return self._graphs[: len(self.batch.concepts)]

    @cached_property
    def negative_graphs(self) -> Tensor:
        """Vector of the neighbourhood of each hard negative, ``[H, d]``."""
        return self._graphs[len(self.batch.concepts) :]

    @cached_property
    def counts(self) -> Counts:
        """What the batches of all ranks hold; they must all ask for it.

        Raises :class:`BaliError` when none of them has a mention: there is nothing to contrast.
        """
        batch, graph = self.batch, self.batch.graph
        nodes, pairs = 0, 0
        if isinstance(graph, Subgraph):
            nodes, pairs = len(graph.node_concept), len(graph.pair_concepts)
        every = gather_numbers(
            len(batch.concepts),
            len(batch.negative_concepts),
            nodes,
            pairs,
            batch.families.shape[1],
        )
        counts = Counts(*map(list, zip(*every, strict=True)))
        if not any(counts.mentions):
            raise BaliError("training batch has no mention: link the corpus before training on it")
        return counts

    def graph_from(self, edges: Tensor, nodes: Tensor) -> Tensor:
        """Return graph vectors of ``nodes`` as they would be with these ``edges`` alone."""
        graph = self.subgraph
        encoded: Tensor = self._graph(self.nodes, graph.edges[:, edges], graph.types[edges], nodes)
        return encoded

    @property
    def subgraph(self) -> Subgraph:
        """Names, nodes and edges; a linearised batch has none."""
        if isinstance(self.batch.graph, Linearised):
            raise TypeError("a linearised batch has neither names nor nodes")
        return self.batch.graph

    @cached_property
    def _names(self) -> Tensor:
        """Each distinct name is read once."""
        return torch.cat([self.text.pooled(*block) for block in self.subgraph.names.blocks()])

    @cached_property
    def _graphs(self) -> Tensor:
        graph = self.batch.graph
        if isinstance(graph, Linearised):
            return torch.cat([self.text.first(*block) for block in graph.text.blocks()])[graph.rows]
        wanted = torch.cat([graph.targets, graph.negatives])
        encoded: Tensor = self._graph(self.nodes, graph.edges, graph.types, wanted)
        return encoded
