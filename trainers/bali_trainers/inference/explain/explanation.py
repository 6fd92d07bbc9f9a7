"""One sentence through a trained model, with everything worth looking at kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bali_platform.base.errors import BaliError
from bali_platform.subgraphs import NeighbourhoodSource
from bali_trainers.batches.edges import SomeEdges
from bali_trainers.batches.linearised import Lineariser
from bali_trainers.batches.randomness import Purpose, generator
from bali_trainers.batches.tokens import Pieces, WordPieces
from bali_trainers.batches.trees import Trees, grow_trees
from bali_trainers.inference.explain.attention import encode_with_attention
from bali_trainers.inference.precision import settle_device
from bali_trainers.models.saved_graph import load_graph_encoder
from bali_trainers.models.text import load_text_encoder


@dataclass(frozen=True, slots=True)
class Span:
    """A span of the sentence and the concept that it is taken to mean."""

    start: int
    end: int
    cui: str


@dataclass(frozen=True, slots=True)
class Weighed:
    """A drawn edge, ``(source)-[type]->(target)`` as the graph stores it.

    Attributes:
        into: The concept that it informs, one of its two ends.
        attention: In each layer, its share of what came in there; empty without attention.
    """

    source: str
    target: str
    type: str
    into: str
    attention: tuple[float, ...]

    @property
    def neighbour(self) -> str:
        """The end that informs."""
        return self.target if self.into == self.source else self.source

    @property
    def share(self) -> float:
        """The mean over layers, 0 without attention."""
        return float(np.mean(self.attention)) if self.attention else 0.0


@dataclass(frozen=True, slots=True)
class Explained:
    """A mention.

    Attributes:
        span: Where it is, and the live concept.
        edges: What was drawn around it, most attended first.
        own: In each layer, the attention of the concept to itself; empty without attention.
        vector: Of the mention in its sentence ``[d]``, unit length.
    """

    span: Span
    edges: tuple[Weighed, ...]
    own: tuple[float, ...]
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sentence with its mentions.

    Attributes:
        cosines: ``[M, M]``: of each mention's vector with each mention's graph vector.
        names: Preferred name of every concept that was drawn.
        lost: Mentions left out: cut off, or of concepts that the graph does not have.
    """

    text: str
    mentions: tuple[Explained, ...]
    cosines: NDArray[np.float32]
    names: dict[str, str]
    lost: tuple[Span, ...]


class Explainer:
    """An exported model and the graph that it is to look at.

    Raises :class:`BaliError` when ``model`` is no exported model with a graph encoder.
    """

    def __init__(self, model: Path, source: NeighbourhoodSource, device: str = "auto") -> None:
        saved = load_graph_encoder(model)
        if saved is None:
            raise BaliError(f"{model} has no graph encoder: give a folder that `bali export` made")
        self.facts = saved.facts
        self._device = settle_device(device)
        self._graph, self._pooling = saved.graph.to(self._device), saved.pooling.to(self._device)
        self._text = load_text_encoder(str(model)).eval().to(self._device)
        self._pieces = WordPieces(model)
        self._relations = {name: i for i, name in enumerate(self.facts.relation_types)}
        # What a model has never seen it cannot read.
        self._source = SomeEdges(source, lambda cui, edge: edge.type in self._relations)

    @torch.inference_mode()
    def explain(
        self, text: str, spans: Sequence[Span], *, neighbours: int | None = None, seed: int = 0
    ) -> Explanation:
        """Encode a sentence and its mentions' subgraphs; ``neighbours`` as in training by default.

        Raises :class:`BaliError` when no mention is left.
        """
        found = self._source.neighbourhoods(sorted({span.cui for span in spans})).found
        pieces = self._pieces.encode([text], self.facts.max_length)
        tokens = {span: _tokens(pieces, span) for span in spans if span.cui in found}
        kept = [span for span in spans if len(tokens.get(span, ()))]
        if not kept:
            raise BaliError("the sentence mentions no concept of this graph: nothing to explain")
        targets = [found[span.cui] for span in kept]
        trees = grow_trees(
            targets,
            self._source,
            self._relations,
            count=self.facts.neighbours if neighbours is None else neighbours,
            hops=self.facts.hops,
            random=generator(seed, Purpose.NEIGHBOURS, epoch=0),
            telling=self.facts.choice == "telling",
        )
        names = {cui: found[0] for cui, found in self._source.names(trees.cuis).items()}
        vectors = self._mentioned(pieces, [tokens[span] for span in kept])
        mentioned = functional.normalize(vectors).cpu()
        graph_vectors, attention = self._about(trees, names, len(kept))
        about = functional.normalize(graph_vectors).cpu()
        return Explanation(
            text=text,
            mentions=tuple(
                Explained(
                    replace(span, cui=target.cui),
                    _edges(trees, number, attention, self.facts.relation_types),
                    _own(trees, number, attention),
                    vector,
                )
                for number, (span, target, vector) in enumerate(
                    zip(kept, targets, mentioned.numpy(), strict=True)
                )
            ),
            cosines=(mentioned @ about.T).numpy(),
            names=names,
            lost=tuple(span for span in spans if span not in kept),
        )

    def _mentioned(self, pieces: Pieces, tokens: Sequence[NDArray[np.int64]]) -> Tensor:
        """Return the vector of each mention, ``[M, d]``."""
        ids, mask = self._there(pieces.ids), self._there(pieces.mask)
        states = self._text.states(ids, mask, self._there(np.concatenate(tokens)))
        pooled: Tensor = self._pooling(states, self._there(np.cumsum([0, *map(len, tokens)])))
        return pooled

    def _about(
        self, trees: Trees, names: Mapping[str, str], targets: int
    ) -> tuple[Tensor, Tensor | None]:
        """Return the graph vector of each target ``[M, d]``, and the attention if there is any."""
        rows: dict[str, int] = {}
        node_name = np.array([rows.setdefault(names[c], len(rows)) for c in trees.cuis], np.int32)
        if self.facts.encoder.kind == "linearised":
            linearise = Lineariser(
                self._pieces,
                self.facts.relation_types,
                name_length=self.facts.name_length,
                graph_length=self.facts.graph_length,
            )
            ids, mask = linearise(trees, list(rows), node_name, targets)
            return self._text.first(self._there(ids), self._there(mask)), None
        ids, mask = self._pieces.encode_names(list(rows), self.facts.name_length)
        pooled = self._text.pooled(self._there(ids), self._there(mask))
        vectors, attention = encode_with_attention(
            self._graph,
            pooled[self._there(node_name)],
            self._there(trees.edge_index),
            self._there(trees.edge_type),
            torch.arange(targets, device=self._device),
        )
        return vectors, None if attention is None else attention.cpu()

    def _there(self, numbers: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(numbers).to(self._device).long()


def _tokens(pieces: Pieces, span: Span) -> NDArray[np.int64]:
    """Return the columns of the tokens that share a character with a span of the one text."""
    inside = (pieces.start[0] < span.end) & (pieces.end[0] > span.start)
    return np.flatnonzero(inside & (pieces.mask[0] == 1))


def _edges(
    trees: Trees, root: int, attention: Tensor | None, types: Sequence[str]
) -> tuple[Weighed, ...]:
    edges = []
    for edge in np.flatnonzero(trees.root[trees.edge_index[1]] == root).tolist():
        sender, receiver = (trees.cuis[node] for node in trees.edge_index[:, edge])
        relation, inward = divmod(int(trees.edge_type[edge]), 2)
        source, target = (sender, receiver) if inward else (receiver, sender)
        layers = () if attention is None else tuple(attention[:, edge].tolist())
        edges.append(Weighed(source, target, types[relation], receiver, layers))
    return tuple(sorted(edges, key=lambda edge: -edge.share))


def _own(trees: Trees, root: int, attention: Tensor | None) -> tuple[float, ...]:
    if attention is None:
        return ()
    return tuple(attention[:, trees.edge_index.shape[1] + root].tolist())
