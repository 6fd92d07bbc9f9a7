"""Graph layers on PyTorch Geometric: the backend for CPU and GPU."""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv, SAGEConv
from torch_geometric.utils import scatter


class GATv2Layer(nn.Module):
    """GATv2 (Brody et al., 2022): shared weights, heads concatenated, attention sees the edge."""

    def __init__(self, width: int, heads: int, dropout: float, *, typed: bool) -> None:
        super().__init__()
        self.convolution = GATv2Conv(
            width,
            width // heads,
            heads,
            dropout=dropout,
            add_self_loops=False,
            edge_dim=width if typed else None,
            share_weights=True,
        )

    def forward(self, nodes: Tensor, edges: Tensor, features: Tensor | None) -> Tensor:
        """Update nodes ``[V, d]`` over edges ``[2, E]`` with features ``[E, d]``."""
        updated: Tensor = self.convolution(nodes, edges, features)
        return updated


class SageLayer(nn.Module):
    """GraphSAGE (Hamilton et al., 2017) with mean aggregation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = SAGEConv(width, width)

    def forward(self, nodes: Tensor, edges: Tensor, features: Tensor | None) -> Tensor:
        """Update nodes ``[V, d]`` over edges ``[2, E]``; edge features play no part."""
        updated: Tensor = self.convolution(nodes, edges)
        return updated


class CompositionLayer(nn.Module):
    """CompGCN (Vashishth et al., 2020): relations change what neighbours say, then the mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin_l = nn.Linear(width, width)
        self.lin_r = nn.Linear(width, width, bias=False)

    def forward(self, nodes: Tensor, edges: Tensor, features: Tensor) -> Tensor:
        """Update nodes ``[V, d]`` over edges ``[2, E]`` with features ``[E, d]``."""
        messages = nodes[edges[0]] * (1 + features)
        gathered = scatter(messages, edges[1], dim_size=len(nodes), reduce="mean")
        mixed: Tensor = self.lin_l(gathered) + self.lin_r(nodes)
        return mixed
