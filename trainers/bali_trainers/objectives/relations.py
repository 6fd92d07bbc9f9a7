"""From text to graph: which relation, and which neighbour."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bali_trainers.batch import Subgraph
from bali_trainers.distributed import mean_over_ranks
from bali_trainers.objectives.base import Objective, Outcome
from bali_trainers.views import Views

__all__ = ["TextToGraph"]


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
        mention, and the mention's own node, are no candidates.
        """
        graph = views.subgraph
        edge, mention = _edges_of_mentions(graph)
        source, types = graph.edges[0, edge], graph.types[edge].long()
        heads = functional.normalize(self.mention(views.mentions))[mention]
        tails = functional.normalize(self.neighbour(views.nodes))
        table = functional.normalize(self.relation) * self.relation.shape[1] ** 0.5

        by_type = (heads * tails[source]) @ table.T
        by_node = (heads * table[types]) @ tails.T
        excluded = _excluded(graph, mention, source)
        by_node = by_node.masked_fill(excluded, torch.finfo(by_node.dtype).min)
        (relation, relation_mean), named = _classify(by_type, types)
        (neighbour, neighbour_mean), found = _classify(by_node, source)
        metrics = {"loss": relation_mean + neighbour_mean, "relation": named, "neighbour": found}
        return Outcome(relation + neighbour, metrics)


def _edges_of_mentions(graph: Subgraph) -> tuple[Tensor, Tensor]:
    """Return the edges ``[e]`` that end in a mention's node, and that mention for each."""
    owner = graph.targets.new_full((len(graph.node_name),), -1).long()
    owner[graph.targets.long()] = torch.arange(len(graph.targets), device=owner.device)
    mention = owner[graph.edges[1]]
    edge = torch.nonzero(mention >= 0)[:, 0]
    return edge, mention[edge]


def _excluded(graph: Subgraph, mention: Tensor, source: Tensor) -> Tensor:
    """Mark, for each edge and node ``[e, V]``, nodes that would be right, or trivially wrong."""
    name = graph.node_name.long()
    known = torch.zeros(
        len(graph.targets), len(graph.names.ids), dtype=torch.bool, device=name.device
    )
    known[mention, name[source]] = True
    excluded = known[mention][:, name]
    rows = torch.arange(len(mention), device=name.device)
    excluded[rows, graph.targets.long()[mention]] = True
    excluded[rows, source] = False
    return excluded


def _classify(scores: Tensor, labels: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Return (this rank's loss, mean loss) and accuracy."""
    count = torch.tensor(len(labels), device=labels.device)
    total = functional.cross_entropy(scores, labels, reduction="sum")
    hits = (scores.detach().argmax(1) == labels).sum().float()
    return mean_over_ranks(total, count), mean_over_ranks(hits, count)[1]
