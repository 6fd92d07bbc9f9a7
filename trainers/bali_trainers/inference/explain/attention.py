"""The attention of a graph encoder: how much each edge counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from bali_trainers.models.graph import GraphNetwork


def encode_with_attention(
    graph: nn.Module, nodes: Tensor, edges: Tensor, types: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor | None]:
    """Encode targets ``[M, d]`` and return the attention ``[layers, E + V]``, too.

    Arguments as for :class:`~bali_trainers.models.graph.GraphEncoder`, which must be on PyG. The
    attention is GATv2's alpha (Brody et al., 2022, equation 3), its mean over heads; that of a
    node's edge to itself comes after the edges given. What comes in at a node sums to one. Encoders
    without attention give None.
    """
    if not (isinstance(graph, GraphNetwork) and graph.loops):
        return graph(nodes, edges, types, targets), None
    with _inputs(graph.layers) as seen:
        vectors: Tensor = graph(nodes, edges, types, targets)
    return vectors, torch.stack(
        [
            layer.get_submodule("convolution")(*given, return_attention_weights=True)[1][1].mean(1)
            for layer, given in zip(graph.layers, seen, strict=True)
        ]
    )


@contextmanager
def _inputs(layers: nn.ModuleList) -> Iterator[list[tuple[Any, ...]]]:
    """Collect what each layer is called with, in their order."""
    seen: list[tuple[Any, ...]] = []
    hooks = [
        layer.register_forward_pre_hook(lambda _, given: seen.append(given)) for layer in layers
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
