"""Graph encoders: node vectors and typed edges in, vectors of target nodes out."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from bali_platform.base.errors import UsageError
from bali_trainers.training.config import GraphEncoderConfig


class GraphEncoder(Protocol):
    """What turns the neighbourhoods of a batch into vectors."""

    def __call__(self, nodes: Tensor, edges: Tensor, types: Tensor, targets: Tensor) -> Tensor:
        """Encode target nodes.

        Args:
            nodes: Node vectors ``[V, d]``.
            edges: ``[2, E]``; messages flow from ``edges[0]`` to ``edges[1]``.
            types: ``[E]``, ``2 * relation + direction``.
            targets: Nodes ``[M]`` whose vectors ``[M, d]`` are returned.
        """


class NameOnly(nn.Module):
    """No graph at all: a concept is its name. The ablation that asks whether the graph matters."""

    def forward(self, nodes: Tensor, edges: Tensor, types: Tensor, targets: Tensor) -> Tensor:
        """Return the targets' own vectors; see :class:`GraphEncoder`."""
        return nodes[targets]


class NeighbourMean(nn.Module):
    """Half a concept, half the mean of its neighbours, without parameters."""

    def forward(self, nodes: Tensor, edges: Tensor, types: Tensor, targets: Tensor) -> Tensor:
        """Average each target with the mean of its sources; see :class:`GraphEncoder`."""
        sources, destinations = edges
        sums = torch.zeros_like(nodes).index_add(0, destinations, nodes[sources])
        counts = torch.zeros_like(nodes[:, :1]).index_add(
            0, destinations, torch.ones_like(nodes[sources, :1])
        )
        around = torch.where(counts > 0, sums / counts.clamp(min=1), nodes)
        return ((nodes + around) / 2)[targets]


class GraphNetwork(nn.Module):
    """Message-passing layers with GELU between them and a normalised projection on top.

    Args:
        layers: Modules called as ``layer(nodes, edges, features)``.
        width: Size d of node vectors.
        dropout: Between layers and after the projection.
        loops: Give every node an edge to itself.
        relations: Number of relation types; layers then see, as edge features, a learned vector
            for each relation and direction, and one more for the loops if there are any.
        residual: Add what comes out to the targets' own vectors, scaled by a learned vector that
            starts at zero (ReZero, Bachlechner et al., 2021): training starts from names alone.
    """

    def __init__(
        self,
        layers: list[nn.Module],
        width: int,
        dropout: float,
        *,
        loops: bool = False,
        relations: int | None = None,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.loops = loops
        rows = 2 * (relations or 0) + loops
        self.relation = nn.Embedding(rows, width) if relations is not None else None
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Sequential(
            nn.Linear(width, width), nn.LayerNorm(width), nn.Dropout(dropout)
        )
        self.scale = nn.Parameter(torch.zeros(width)) if residual else None

    def forward(self, nodes: Tensor, edges: Tensor, types: Tensor, targets: Tensor) -> Tensor:
        """Pass messages, then project the targets; see :class:`GraphEncoder`."""
        if self.loops:
            every = torch.arange(nodes.shape[0], device=nodes.device)
            edges = torch.cat([edges, every.expand(2, -1)], dim=1)
        features = None
        if self.relation is not None:
            loop = types.new_full((edges.shape[1] - types.shape[0],), self.loop_type)
            features = self.relation(torch.cat([types, loop]))
        own = nodes[targets]
        for layer in self.layers:
            nodes = functional.gelu(self.dropout(layer(nodes, edges, features)))
        projected: Tensor = self.output(nodes[targets])
        return projected if self.scale is None else own + self.scale * projected

    @property
    def loop_type(self) -> int:
        """The row of the relation table that stands for a node's edge to itself: the last."""
        return self.relation.num_embeddings - 1 if self.relation is not None else 0


def build_graph_encoder(config: GraphEncoderConfig, width: int, relations: int) -> nn.Module:
    """Build the configured encoder for node vectors of ``width`` and a count of relation types.

    The linearised encoder needs no network: the language model reads the subgraph.
    """
    if config.kind in ("none", "linearised"):
        return NameOnly()
    if config.kind == "mean":
        return NeighbourMean()
    if config.kind == "gatv2" and width % config.heads:
        raise UsageError(
            f"[graph_encoder] heads = {config.heads} does not divide the model's width {width}"
        )
    backend = import_module(f"bali_trainers.models.graph_{config.backend}")
    if config.kind in ("sage", "compgcn"):
        composed = config.kind == "compgcn"
        layer = backend.CompositionLayer if composed else backend.SageLayer
        network = GraphNetwork(
            [layer(width) for _ in range(config.layers)],
            width,
            config.dropout,
            relations=relations if composed else None,
            residual=config.residual,
        )
        if network.relation is not None:  # at first, neighbours are heard nearly as they are
            nn.init.normal_(network.relation.weight, std=0.1)
        return network
    layers = [
        backend.GATv2Layer(width, config.heads, config.dropout, typed=config.relations)
        for _ in range(config.layers)
    ]
    return GraphNetwork(
        layers,
        width,
        config.dropout,
        loops=True,
        relations=relations if config.relations else None,
        residual=config.residual,
    )
