"""Edges to be completed: from a mention's text, or from the rest of a neighbourhood."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from bali_trainers.batches.batch import Ends, Subgraph
from bali_trainers.models.views import Views
from bali_trainers.objectives.base import Objective, Outcome, cosine
from bali_trainers.training.distributed import mean_over_ranks


class TextToGraph(Objective):
    """Complete the sampled edges of mentioned concepts from the mention's text.

    An edge scores ``sum(a(mention) * relation * b(neighbour))`` (DistMult, Yang et al., 2015), the
    neighbour being its name's vector. Two tasks share the score: name the relation and direction of
    an edge, and find the true neighbour among all nodes of the batch.
    """

    def __init__(self, weight: float, width: int, relations: int) -> None:
        super().__init__(weight)
        self.mention = nn.Linear(width, width)
        self.neighbour = nn.Linear(width, width)
        self.relation = nn.Parameter(torch.empty(2 * relations, width))
        nn.init.normal_(self.relation, std=width**-0.5)

    def forward(self, views: Views) -> Outcome:
        """Return the sum of both mean cross-entropies; metrics ``relation`` and ``neighbour``.

        These are accuracies. In the ranking, nodes with the name of a true neighbour of the
        mention, and those of the concept itself, are no candidates.
        """
        graph = views.subgraph
        ends = graph.target_ends
        source, types = graph.edges[0, ends.edge], graph.types[ends.edge]
        heads = functional.normalize(self.mention(views.mentions).float())[ends.root]
        tails = functional.normalize(self.neighbour(views.nodes).float())
        table = functional.normalize(self.relation.float()) * self.relation.shape[1] ** 0.5

        with torch.autocast(heads.device.type, enabled=False):
            by_type = (heads * tails[source]) @ table.T
            by_node = (heads * table[types]) @ tails.T
        every = torch.arange(len(source), device=source.device)
        by_node = _mask(by_node, graph, graph.targets, ends, every)
        (relation, relation_mean), named = _classify(by_type, types)
        (neighbour, neighbour_mean), found = _classify(by_node, source)
        metrics = {"loss": relation_mean + neighbour_mean, "relation": named, "neighbour": found}
        return Outcome(relation + neighbour, metrics)


class LinkPrediction(Objective):
    """Find a neighbour of each concept of a batch from its other neighbours.

    One sampled edge of the concept is taken out. Its far end is looked for by cosine, among the
    names or graph vectors (``ends``) of all nodes, near the concept's graph vector of unit length
    plus the relation's vector (TransE, Bordes et al., 2013), which starts at zero.
    """

    def __init__(
        self,
        weight: float,
        width: int,
        relations: int,
        temperature: float,
        ends: Literal["names", "graphs"] = "names",
    ) -> None:
        super().__init__(weight)
        self.temperature, self.ends = temperature, ends
        self.relation = nn.Parameter(torch.zeros(2 * relations, width))

    def forward(self, views: Views) -> Outcome:
        """Return the mean cross-entropy; metric ``top1`` is the accuracy.

        Candidates are those of :class:`TextToGraph`; with graph vectors, neighbours of concepts
        alone.
        """
        graph = views.subgraph
        roots, ends = graph.roots, graph.root_ends
        asked, asking = ends.edge[ends.first], roots[ends.root[ends.first]]
        if self.ends == "graphs":
            every = torch.arange(len(graph.node_concept), device=roots.device)
            candidates = views.graph_from(ends.rest, every)
            heads = candidates[asking]
        else:
            candidates, heads = views.nodes, views.graph_from(ends.rest, asking)
        sought = functional.normalize(heads.float()) + self.relation.float()[graph.types[asked]]
        scores = cosine(sought, candidates.float()) / self.temperature
        scores = _mask(scores, graph, roots, ends, ends.first)
        if self.ends == "graphs":  # leaves have no neighbours, by which they would be told
            leaf = torch.ones_like(graph.node_concept, dtype=torch.bool)
            leaf[graph.edges[0, ends.edge]] = False
            scores = scores.masked_fill(leaf, torch.finfo(scores.dtype).min)
        (loss, mean), top1 = _classify(scores, graph.edges[0, asked])
        return Outcome(loss, {"loss": mean, "top1": top1})


def _mask(scores: Tensor, graph: Subgraph, roots: Tensor, ends: Ends, asked: Tensor) -> Tensor:
    """Take nodes that would be right too, or trivially wrong, out of the scores ``[asked, V]``.

    ``asked`` are places among the edges that end in ``roots``.
    """
    name, root, source = graph.node_name, ends.root, graph.edges[0, ends.edge]
    known = torch.zeros(len(roots), len(graph.names.ids), dtype=torch.bool, device=name.device)
    known[root, name[source]] = True
    own = graph.node_concept[roots[root[asked]]]
    excluded = known[root[asked]][:, name] | (graph.node_concept == own[:, None])
    excluded[torch.arange(len(asked), device=name.device), source[asked]] = False
    return scores.masked_fill(excluded, torch.finfo(scores.dtype).min)


def _classify(scores: Tensor, labels: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Return (this rank's loss, mean loss) and accuracy."""
    if not len(labels):  # nor, maybe, any node
        zero = scores.sum()
        return mean_over_ranks(zero, 0), mean_over_ranks(zero.detach(), 0)[1]
    total = functional.cross_entropy(scores, labels, reduction="sum")
    hits = (scores.detach().argmax(1) == labels).sum().float()
    return mean_over_ranks(total, len(labels)), mean_over_ranks(hits, len(labels))[1]
