"""A training batch as tensors: what workers built, checked and moved to the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from bali_platform.errors import BaliError
from bali_platform.streaming.codec import decode

__all__ = ["Batch", "Linearised", "Subgraph", "Tokens"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tokens:
    """Padded token ids ``[N, L]`` and the mask of those that are real."""

    ids: Tensor
    mask: Tensor


@dataclass(frozen=True, slots=True)
class Subgraph:
    """The union of the neighbourhoods of a batch.

    Attributes:
        names: The distinct names of its nodes.
        node_name: Row of ``names`` for each node, ``[V]``.
        edges: ``[2, E]``, from source to target node.
        types: ``[E]``, twice the relation, plus one where the stored edge points to the concept.
        targets: Node ``[M]`` of each mention.
    """

    names: Tokens
    node_name: Tensor
    edges: Tensor
    types: Tensor
    targets: Tensor


@dataclass(frozen=True, slots=True)
class Linearised:
    """One subgraph a mention, written out as text ``[M, L]``."""

    text: Tokens


@dataclass(frozen=True, slots=True)
class Batch:
    """Masked sentences, their mentions, and the graph around the concepts mentioned.

    Attributes:
        sentences: Masked token ids ``[B, L]``.
        labels: ``[B, L]``, the token to predict, or -100.
        mention_tokens: Flat positions (row * L + column) of all mentions' tokens, ``[T]``.
        mention_offsets: Mention m owns ``mention_tokens[offsets[m]:offsets[m + 1]]``; ``[M + 1]``.
        concepts: Label of each mention's concept, ``[M]``.
        graph: The concepts' neighbourhoods.
        lost_mentions: Mentions that truncation cut off.
    """

    sentences: Tokens
    labels: Tensor
    mention_tokens: Tensor
    mention_offsets: Tensor
    concepts: Tensor
    graph: Subgraph | Linearised
    lost_mentions: int

    @classmethod
    def from_bytes(cls, payload: bytes) -> Self:
        """Decode an encoded batch, refusing one that holds no mention."""
        return cls.from_arrays(decode(payload))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray[Any, Any]]) -> Self:
        """Build a batch on the CPU from the arrays that workers send."""
        try:
            return cls._from_arrays({name: torch.tensor(array) for name, array in arrays.items()})
        except KeyError as error:
            raise BaliError(
                f"training batch lacks {error}: was it recorded by another version of bali?"
            ) from None

    @classmethod
    def _from_arrays(cls, tensors: Mapping[str, Tensor]) -> Self:
        if tensors["mention_concept"].numel() == 0:
            raise BaliError("training batch has no mention: link the corpus before training on it")
        graph: Subgraph | Linearised
        if "graph_input_ids" in tensors:
            graph = Linearised(Tokens(tensors["graph_input_ids"], tensors["graph_attention_mask"]))
        else:
            graph = Subgraph(
                names=Tokens(tensors["name_input_ids"], tensors["name_attention_mask"]),
                node_name=tensors["node_name"],
                edges=tensors["edge_index"].long(),
                types=tensors["edge_type"],
                targets=tensors["target_node"],
            )
        return cls(
            sentences=Tokens(tensors["input_ids"], tensors["attention_mask"]),
            labels=tensors["labels"].long(),
            mention_tokens=tensors["mention_tokens"].long(),
            mention_offsets=tensors["mention_offsets"].long(),
            concepts=tensors["mention_concept"],
            graph=graph,
            lost_mentions=int(tensors["lost_mentions"]),
        )

    def to(self, device: torch.device) -> Self:
        """Copy every tensor to ``device``."""
        return _moved(self, device)

    @property
    def predicted(self) -> Tensor:
        """Flat positions ``[P]`` of the tokens to predict."""
        return torch.nonzero(self.labels.flatten() != -100)[:, 0]


def _moved(value: T, device: torch.device) -> T:
    if isinstance(value, Tensor):
        return cast(T, value.to(device, non_blocking=True))
    if not isinstance(value, Batch | Subgraph | Linearised | Tokens):
        return value
    parts = {f.name: _moved(getattr(value, f.name), device) for f in fields(value)}
    return cast(T, type(value)(**parts))
