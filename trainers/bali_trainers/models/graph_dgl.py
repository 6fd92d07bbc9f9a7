"""The layers of :mod:`~bali_trainers.models.graph_pyg` on DGL: same weights, same results.

DGL's own GATv2 sees no edge features, so its message passing is written out here. Parameters have
the names and shapes of PyTorch Geometric's: a checkpoint of one backend loads in the other.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bali_platform.subgraphs.dgl_backend import import_dgl

dgl = import_dgl()

NEGATIVE_SLOPE = 0.2


class GATv2Layer(nn.Module):
    """GATv2 (Brody et al., 2022): shared weights, heads concatenated, attention sees the edge."""

    def __init__(self, width: int, heads: int, dropout: float, *, typed: bool) -> None:
        super().__init__()
        self.convolution = _Attention(width, heads, typed=typed)
        self.dropout = nn.Dropout(dropout)

    def forward(self, nodes: Tensor, edges: Tensor, features: Tensor | None) -> Tensor:
        """Update nodes ``[V, d]`` over edges ``[2, E]`` with features ``[E, d]``."""
        graph, own = _graph(edges, nodes), self.convolution
        graph.ndata["x"] = own.by_head(own.lin_l(nodes))
        graph.apply_edges(dgl.function.u_add_v("x", "x", "mixed"))
        mixed = graph.edata["mixed"]
        if own.lin_edge is not None:
            mixed = mixed + own.by_head(own.lin_edge(features))
        mixed = functional.leaky_relu(mixed, NEGATIVE_SLOPE)
        shares = dgl.nn.functional.edge_softmax(graph, (mixed * own.att).sum(-1, keepdim=True))
        graph.edata["share"] = self.dropout(shares)
        graph.update_all(
            dgl.function.u_mul_e("x", "share", "message"), dgl.function.sum("message", "y")
        )
        gathered: Tensor = graph.ndata["y"]
        return gathered.flatten(1) + own.bias


class SageLayer(nn.Module):
    """GraphSAGE (Hamilton et al., 2017) with mean aggregation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.ModuleDict(
            {"lin_l": nn.Linear(width, width), "lin_r": nn.Linear(width, width, bias=False)}
        )

    def forward(self, nodes: Tensor, edges: Tensor, features: Tensor | None) -> Tensor:
        """Update nodes ``[V, d]`` over edges ``[2, E]``; edge features play no part."""
        graph = _graph(edges, nodes)
        graph.ndata["x"] = nodes
        graph.update_all(dgl.function.copy_u("x", "message"), dgl.function.mean("message", "y"))
        mixed: Tensor = self.convolution["lin_l"](graph.ndata["y"])
        own: Tensor = self.convolution["lin_r"](nodes)
        return mixed + own


class CompositionLayer(nn.Module):
    """CompGCN (Vashishth et al., 2020): relations change what neighbours say, then the mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin_l = nn.Linear(width, width)
        self.lin_r = nn.Linear(width, width, bias=False)

    def forward(self, nodes: Tensor, edges: Tensor, features: Tensor) -> Tensor:
        """Update nodes ``[V, d]`` over edges ``[2, E]`` with features ``[E, d]``."""
        graph = _graph(edges, nodes)
        graph.ndata["x"], graph.edata["factor"] = nodes, 1 + features
        graph.update_all(
            dgl.function.u_mul_e("x", "factor", "message"), dgl.function.mean("message", "y")
        )
        mixed: Tensor = self.lin_l(graph.ndata["y"]) + self.lin_r(nodes)
        return mixed


class _Attention(nn.Module):
    """The parameters of a GATv2 convolution with shared weights, drawn as PyG draws them."""

    def __init__(self, width: int, heads: int, *, typed: bool) -> None:
        super().__init__()
        self.lin_l = nn.Linear(width, width)
        self.lin_r = self.lin_l
        self.lin_edge = nn.Linear(width, width, bias=False) if typed else None
        self.att = nn.Parameter(torch.empty(1, heads, width // heads))
        self.bias = nn.Parameter(torch.zeros(width))
        self.heads = heads
        for linear in (self.lin_l, self.lin_edge):
            if linear is not None:
                nn.init.xavier_uniform_(linear.weight)
        bound = math.sqrt(6 / sum(self.att.shape[-2:]))
        nn.init.uniform_(self.att, -bound, bound)

    def by_head(self, vectors: Tensor) -> Tensor:
        """Split vectors ``[n, d]`` into ``[n, heads, d / heads]``."""
        return vectors.view(len(vectors), self.heads, -1)


def _graph(edges: Tensor, nodes: Tensor) -> Any:
    return dgl.graph((edges[0], edges[1]), num_nodes=len(nodes))
