"""Edges to be completed: from a mention's text, or from the rest of a neighbourhood."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bali_trainers.batches.batch import Subgraph
from bali_trainers.models.views import Views
from bali_trainers.objectives.base import Objective, Outcome
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
        edge, mention = _edges_of(graph, graph.targets)
        source, types = graph.edges[0, edge], graph.types[edge].long()
        heads = functional.normalize(self.mention(views.mentions))[mention]
        tails = functional.normalize(self.neighbour(views.nodes))
        table = functional.normalize(self.relation) * self.relation.shape[1] ** 0.5

        by_type = (heads * tails[source]) @ table.T
        by_node = (heads * table[types]) @ tails.T
        every = torch.arange(len(edge), device=edge.device)
        by_node = _mask(by_node, graph, graph.targets, mention, source, every)
        (relation, relation_mean), named = _classify(by_type, types)
        (neighbour, neighbour_mean), found = _classify(by_node, source)
        metrics = {"loss": relation_mean + neighbour_mean, "relation": named, "neighbour": found}
        return Outcome(relation + neighbour, metrics)


class LinkPrediction(Objective):
    """Find a neighbour of each concept of a batch from its other neighbours.

    One sampled edge of the concept is taken out. Its far end is looked for by cosine, among the
    names of all nodes, near the concept's graph vector of unit length plus the relation's vector
    (TransE, Bordes et al., 2013), which starts at zero.
    """

    def __init__(self, weight: float, width: int, relations: int, temperature: float) -> None:
        super().__init__(weight)
        self.temperature = temperature
        self.relation = nn.Parameter(torch.zeros(2 * relations, width))

    def forward(self, views: Views) -> Outcome:
        """Return the mean cross-entropy; metric ``top1`` is the accuracy.

        Candidates are those of :class:`TextToGraph`.
        """
        graph = views.subgraph
        roots = torch.cat([graph.targets, graph.negatives, graph.further])
        edge, root = _edges_of(graph, roots)
        asked = _first_of_each(root, len(roots))
        heads = functional.normalize(views.graph_without(edge[asked], roots[root[asked]]).float())
        sought = heads + self.relation[graph.types[edge[asked]].long()]
        names = functional.normalize(views.nodes.float())
        scores = functional.normalize(sought) @ names.T / self.temperature
        source = graph.edges[0, edge]
        scores = _mask(scores, graph, roots, root, source, asked)
        (loss, mean), top1 = _classify(scores, source[asked])
        return Outcome(loss, {"loss": mean, "top1": top1})


def _edges_of(graph: Subgraph, roots: Tensor) -> tuple[Tensor, Tensor]:
    """Return the edges ``[e]`` that end in roots, nodes ``[r]``, and which root for each."""
    owner = roots.new_full((len(graph.node_name),), -1).long()
    owner[roots.long()] = torch.arange(len(roots), device=owner.device)
    root = owner[graph.edges[1]]
    edge = torch.nonzero(root >= 0)[:, 0]
    return edge, root[edge]


def _first_of_each(root: Tensor, roots: int) -> Tensor:
    """Return the place of each root's first edge, if it has any; edges come in random order."""
    places = torch.arange(len(root), device=root.device)
    first = places.new_full((roots,), len(root))
    first = first.scatter_reduce(0, root, places, "amin")
    return first[first < len(root)]


def _mask(
    scores: Tensor, graph: Subgraph, roots: Tensor, root: Tensor, source: Tensor, asked: Tensor
) -> Tensor:
    """Take nodes that would be right too, or trivially wrong, out of the scores ``[asked, V]``.

    ``root`` and ``source`` are those of all edges of ``roots``, ``asked`` places in them.
    """
    name = graph.node_name.long()
    known = torch.zeros(len(roots), len(graph.names.ids), dtype=torch.bool, device=name.device)
    known[root, name[source]] = True
    own = graph.node_concept[roots.long()[root[asked]]]
    excluded = known[root[asked]][:, name] | (graph.node_concept == own[:, None])
    excluded[torch.arange(len(asked), device=name.device), source[asked]] = False
    return scores.masked_fill(excluded, torch.finfo(scores.dtype).min)


def _classify(scores: Tensor, labels: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Return (this rank's loss, mean loss) and accuracy."""
    count = torch.tensor(len(labels), device=labels.device)
    total = functional.cross_entropy(scores, labels, reduction="sum")
    hits = (scores.detach().argmax(1) == labels).sum().float()
    return mean_over_ranks(total, count), mean_over_ranks(hits, count)[1]
