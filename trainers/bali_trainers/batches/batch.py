"""A training batch as tensors: what workers built, checked, laid out and moved to the device.

Rows of tokens are sorted by length here and cut into parts, and whatever points to a row or a token
is pointed to where it went. All of that is integers on the CPU: on a GPU, no step waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bali_platform.base.errors import BaliError
from bali_platform.streaming.codec import decode
from bali_trainers.batches.layout import Layout, Part
from bali_trainers.models.packing import Packing, pack

T = TypeVar("T")
Arrays = Mapping[str, NDArray[Any]]
IGNORED = -100


@dataclass(frozen=True, slots=True)
class Tokens:
    """Padded token ids ``[N, L]``, shortest row first, and the mask of those that are real.

    Attributes:
        parts: What is encoded together.
        count: Tokens that are no padding.
        packing: How the one part shares rows, if it does.
    """

    ids: Tensor
    mask: Tensor
    parts: tuple[Part, ...]
    count: int
    packing: Packing | None = None

    @property
    def slots(self) -> int:
        """Places for tokens that are computed, padding included."""
        if self.packing is not None:
            return self.packing.token.numel()
        return sum(part.slots for part in self.parts)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor | Packing | None]]:
        """Yield ids and mask ``[rows, width]`` of each part; no mask where all of it is tokens."""
        if self.packing is not None:
            yield self.ids, self.packing
            return
        for first, last, width, full in self.parts:
            mask = None if full else self.mask[first:last, :width]
            yield self.ids[first:last, :width], mask


@dataclass(frozen=True, slots=True)
class Ends:
    """The edges of a subgraph that end in some of its nodes, the roots.

    Attributes:
        edge: Numbers of these edges, ``[e]``.
        root: Which of the roots each of them ends in, ``[e]``.
        first: Place among them of the first edge of each root that has one, ``[r]``; edges come in
            random order.
        rest: Numbers of all edges of the subgraph but those first ones.
    """

    edge: Tensor
    root: Tensor
    first: Tensor
    rest: Tensor


@dataclass(frozen=True, slots=True)
class Subgraph:
    """The union of the neighbourhoods of a batch.

    Attributes:
        names: The distinct names of its nodes, and those of ``pairs``.
        node_name: Row of ``names`` for each node, ``[V]``.
        node_concept: Label of each node's concept, ``[V]``.
        edges: ``[2, E]``, from source to target node.
        types: ``[E]``, twice the relation, plus one where the stored edge points to the concept.
        targets: Node ``[M]`` of each mention.
        negatives: Nodes ``[H]`` of hard negatives.
        further: Nodes ``[F]`` of concepts drawn from the whole graph.
        pairs: Rows of ``names`` of two different names of one concept, ``[2, S]``.
        pair_concepts: Label of that concept, ``[S]``.
        mention_names: Row of ``names`` of a name of each mention, ``[M]``.
        target_ends: Edges that end in ``targets``.
        root_ends: Edges that end in ``roots``.
    """

    names: Tokens
    node_name: Tensor
    node_concept: Tensor
    edges: Tensor
    types: Tensor
    targets: Tensor
    negatives: Tensor
    further: Tensor
    pairs: Tensor
    pair_concepts: Tensor
    mention_names: Tensor
    target_ends: Ends
    root_ends: Ends

    @property
    def roots(self) -> Tensor:
        """The nodes around which neighbourhoods were drawn: targets, negatives and further ones."""
        return torch.cat([self.targets, self.negatives, self.further])


@dataclass(frozen=True, slots=True)
class Linearised:
    """One subgraph a mention, then one a hard negative, written out as text.

    Attributes:
        text: The texts.
        rows: Row of ``text`` for each mention and hard negative, ``[M + H]``.
    """

    text: Tokens
    rows: Tensor


@dataclass(frozen=True, slots=True)
class Masked:
    """Masked tokens to predict.

    Attributes:
        states: Which of the states that are read ``[P]``.
        labels: The token that was there, ``[P]``.
    """

    states: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Masked sentences, their mentions, and the graph around the concepts mentioned.

    Attributes:
        sentences: Masked token ids.
        reads: For each part of ``sentences``, flat positions in it of the states that are read:
            those of mentions and of tokens to predict.
        mention_states: Which of the states read are mentions' tokens, ``[T]``.
        mention_offsets: Mention m owns ``mention_states[offsets[m]:offsets[m + 1]]``; ``[M + 1]``.
        predicted: The masked tokens.
        masked: Those of them that are tokens of a mention; one counts for each such mention.
        masked_owner: The mention ``[Q]`` of each of ``masked``.
        concepts: Label of each mention's concept, ``[M]``.
        negative_concepts: Label of each hard negative's concept, ``[H]``.
        graph: The concepts' neighbourhoods.
        families: Labels of concepts, and of families that they belong to, ``[2, K]``: concepts of
            one family are related.
        lost_mentions: Mentions that truncation cut off.
    """

    sentences: Tokens
    reads: tuple[Tensor, ...]
    mention_states: Tensor
    mention_offsets: Tensor
    predicted: Masked
    masked: Masked
    masked_owner: Tensor
    concepts: Tensor
    negative_concepts: Tensor
    graph: Subgraph | Linearised
    families: Tensor
    lost_mentions: int

    @classmethod
    def from_bytes(cls, payload: bytes, layout: Layout | None = None) -> Self:
        """Decode an encoded batch."""
        return cls.from_arrays(decode(payload), layout)

    @classmethod
    def from_arrays(cls, arrays: Arrays, layout: Layout | None = None) -> Self:
        """Build a batch on the CPU from the arrays that workers send."""
        try:
            return cls._from_arrays(arrays, layout or Layout())
        except KeyError as error:
            raise BaliError(
                f"training batch lacks {error}: was it recorded by another version of bali?"
            ) from None

    @classmethod
    def _from_arrays(cls, arrays: Arrays, layout: Layout) -> Self:
        sentences, place = _laid_out(arrays["input_ids"], arrays["attention_mask"], layout)
        labels = arrays["labels"].ravel()
        tokens, offsets = arrays["mention_tokens"], arrays["mention_offsets"]
        predicted = np.flatnonzero(labels != IGNORED)
        reads, states = _reads(np.concatenate([tokens, predicted]), place, labels, sentences.parts)
        masked = np.flatnonzero(labels[tokens] != IGNORED)
        return cls(
            sentences=sentences,
            reads=tuple(map(_tensor, reads)),
            mention_states=_tensor(states[: len(tokens)]),
            mention_offsets=_tensor(offsets),
            predicted=Masked(_tensor(states[len(tokens) :]), _tensor(labels[predicted])),
            masked=Masked(_tensor(states[masked]), _tensor(labels[tokens[masked]])),
            masked_owner=_tensor(np.searchsorted(offsets, masked, side="right") - 1),
            concepts=_tensor(arrays["mention_concept"]),
            negative_concepts=_tensor(arrays["negative_concept"]),
            graph=_graph(arrays, layout),
            families=_tensor(arrays.get("families", np.empty((2, 0)))),
            lost_mentions=int(arrays["lost_mentions"][0]),
        )

    def to(self, device: torch.device) -> Self:
        """Copy every tensor to ``device``."""
        return _mapped(self, lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> Self:
        """Copy every tensor to memory that a GPU can read while it computes."""
        return _mapped(self, Tensor.pin_memory)

    def tensors(self) -> list[Tensor]:
        """Return every tensor."""
        found: list[Tensor] = []

        def keep(tensor: Tensor) -> Tensor:
            found.append(tensor)
            return tensor

        _mapped(self, keep)
        return found

    def tokens(self) -> tuple[Tokens, Tokens]:
        """Return all that the language model reads: sentences, and names or subgraphs."""
        graph = self.graph
        return self.sentences, graph.names if isinstance(graph, Subgraph) else graph.text


def _laid_out(
    ids: NDArray[np.int32], mask: NDArray[np.uint8], layout: Layout
) -> tuple[Tokens, NDArray[np.int64]]:
    """Sort rows by length; return them and the place where each went."""
    if not len(ids):  # a token that nobody asks for: ranks must make equally many passes
        ids, mask = np.zeros((1, 1), ids.dtype), np.ones((1, 1), mask.dtype)
    lengths = mask.sum(axis=1, dtype=np.int64)
    order = np.argsort(lengths, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    parts = layout.cut(lengths[order])
    longest = lengths.max()
    sorted_mask = mask[order, :longest]
    tokens = Tokens(
        torch.from_numpy(ids[order, :longest]),
        torch.from_numpy(sorted_mask),
        parts,
        int(lengths.sum()),
        pack(sorted_mask) if layout.packed else None,
    )
    return tokens, place


def _reads(
    positions: NDArray[np.int64],
    place: NDArray[np.int64],
    labels: NDArray[np.int32],
    parts: tuple[Part, ...],
) -> tuple[list[NDArray[np.int64]], NDArray[np.int64]]:
    """Find tokens (``row * L + column``, before sorting) in the parts that hold them.

    Returns the distinct positions to read from each part, and which of those states each is.
    """
    starts = np.cumsum([0, *(part.slots for part in parts)])
    row, column = np.divmod(positions, len(labels) // len(place))
    row = place[row]
    part = np.searchsorted([part.last for part in parts], row, side="right")
    first, width = np.array([part.first for part in parts]), np.array([p.width for p in parts])
    slots = starts[part] + (row - first[part]) * width[part] + column
    distinct, which = np.unique(slots, return_inverse=True)
    bounds = np.searchsorted(distinct, starts)
    reads = [
        distinct[low:high] - start
        for low, high, start in zip(bounds[:-1], bounds[1:], starts[:-1], strict=True)
    ]
    return reads, which


def _graph(arrays: Arrays, layout: Layout) -> Subgraph | Linearised:
    if "graph_input_ids" in arrays:
        text, place = _laid_out(arrays["graph_input_ids"], arrays["graph_attention_mask"], layout)
        return Linearised(text, _tensor(place[: len(arrays["graph_input_ids"])]))
    names, place = _laid_out(arrays["name_input_ids"], arrays["name_attention_mask"], layout)
    one, other = arrays["name_pairs"]
    different = one != other
    targets, ends, nodes = arrays["target_node"], arrays["edge_index"][1], len(arrays["node_name"])
    roots = np.concatenate([targets, arrays["negative_node"], arrays["further_node"]])
    return Subgraph(
        names=names,
        node_name=_tensor(place[arrays["node_name"]]),
        node_concept=_tensor(arrays["node_concept"]),
        edges=_tensor(arrays["edge_index"]),
        types=_tensor(arrays["edge_type"]),
        targets=_tensor(targets),
        negatives=_tensor(arrays["negative_node"]),
        further=_tensor(arrays["further_node"]),
        pairs=_tensor(place[arrays["name_pairs"][:, different]]),
        pair_concepts=_tensor(arrays["pair_concept"][different]),
        mention_names=_tensor(place[arrays["mention_name"]]),
        target_ends=_ends(ends, targets, nodes),
        root_ends=_ends(ends, roots, nodes),
    )


def _ends(destinations: NDArray[Any], roots: NDArray[Any], nodes: int) -> Ends:
    owner = np.full(nodes, -1)
    owner[roots] = np.arange(len(roots))
    edge = np.flatnonzero(owner[destinations] >= 0)
    root = owner[destinations[edge]]
    first = np.unique(root, return_index=True)[1]
    rest = np.delete(np.arange(len(destinations)), edge[first])
    return Ends(_tensor(edge), _tensor(root), _tensor(first), _tensor(rest))


def _tensor(array: NDArray[Any]) -> Tensor:
    """Return indices or labels as 64-bit integers, in memory of their own."""
    return torch.from_numpy(array.astype(np.int64))


def _mapped(value: T, function: Callable[[Tensor], Tensor]) -> T:
    """Apply ``function`` to every tensor in ``value``."""
    if isinstance(value, Tensor):
        return cast(T, function(value))
    if isinstance(value, tuple) and not isinstance(value, Part):
        return cast(T, tuple(_mapped(item, function) for item in value))
    if not isinstance(value, Batch | Subgraph | Ends | Linearised | Masked | Tokens | Packing):
        return value
    parts = {f.name: _mapped(getattr(value, f.name), function) for f in fields(value)}
    return cast(T, type(value)(**parts))
