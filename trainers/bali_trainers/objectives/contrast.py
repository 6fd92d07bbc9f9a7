"""Contrast between vectors that are labelled with concepts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from bali_trainers.models.views import Views
from bali_trainers.objectives.base import Objective, Outcome, cosine
from bali_trainers.training.distributed import gather_rows, mean_over_ranks, rank


class Sides(NamedTuple):
    """What is contrasted, on this rank.

    Attributes:
        one: Vectors ``[m, d]``.
        other: Another view of the same concepts, ``[m, d]``.
        labels: Their concepts, ``[m]``.
        negatives: Vectors like ``other`` that are no positives, ``[h, d]``.
        negative_labels: Their concepts, ``[h]``: for vectors of these they are no negatives either.
        sizes: How many of ``one`` each rank has.
        negative_sizes: How many negatives each rank has.
    """

    one: Tensor
    other: Tensor
    labels: Tensor
    negatives: Tensor
    negative_labels: Tensor
    sizes: Sequence[int]
    negative_sizes: Sequence[int]


@dataclass(frozen=True, slots=True)
class PairLosses:
    """NT-Xent before averaging.

    Attributes:
        losses: One for every pair of anchor and other vector, ``[a, n]``; 0 where that is no
            positive. (To list the positives, a GPU would have to be waited for.)
        pairs: Positives of each anchor, ``[a]``.
        candidates: What each positive of an anchor was told from, itself included, ``[a]``.
    """

    losses: Tensor
    pairs: Tensor
    candidates: Tensor


class Contrasted(NamedTuple):
    """Vectors that are contrasted, and their concepts.

    Attributes:
        anchors: ``[a, d]``.
        labels: Their concepts, ``[a]``.
        others: ``[n, d]``; rows from ``first`` on are the anchors.
        other_labels: Their concepts, ``[n]``.
        first: Where the anchors begin among the others.
        hard: How many of the others, the last, are negatives only.
        kin: Which anchors and others are related, and so no negatives, ``[a, n]``; None for none.
    """

    anchors: Tensor
    labels: Tensor
    others: Tensor
    other_labels: Tensor
    first: int = 0
    hard: int = 0
    kin: Tensor | None = None

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Return which vectors are no negatives, ``[a, n]``, and which of those are positives."""
        same = self.labels[:, None] == self.other_labels
        rows = torch.arange(len(self.labels), device=same.device)
        positive = same.clone()
        positive[rows, self.first + rows] = False
        positive[:, len(self.other_labels) - self.hard :] = False
        return same if self.kin is None else same | self.kin, positive


def nt_xent(contrasted: Contrasted, temperature: float = 0.07) -> PairLosses:
    """Contrast every anchor with the others.

    Every other vector of an anchor's label is a positive, vectors of other labels are its
    negatives, and similarity is the cosine::

        l(i, p) = -log(exp(s_ip / t) / (exp(s_ip / t) + sum_{n: label n != label i} exp(s_in / t)))

    which is ``softplus(logsumexp_n(s_in / t) - s_ip / t)``: no exponential can overflow.
    """
    similarity = cosine(contrasted.anchors, contrasted.others) / temperature
    spared, positive = contrasted.pairs()
    negatives = similarity.masked_fill(spared, torch.finfo(similarity.dtype).min).logsumexp(1)
    losses = functional.softplus(negatives[:, None] - similarity).masked_fill(~positive, 0)
    return PairLosses(losses, positive.sum(1), 1 + (~spared).sum(1))


def multi_similarity(
    contrasted: Contrasted, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5
) -> Tensor:
    """Return the Multi-Similarity loss (Wang et al., 2019) of every anchor, ``[a]``.

    Without mining; positives and negatives as for :func:`nt_xent`::

        l(i) = log(1 + sum_p exp(-alpha (s_ip - base))) / alpha
             + log(1 + sum_n exp(beta (s_in - base))) / beta
    """
    similarity = cosine(contrasted.anchors, contrasted.others) - base
    spared, positive = contrasted.pairs()
    lowest = torch.finfo(similarity.dtype).min
    pull = (-alpha * similarity).masked_fill(~positive, lowest)
    push = (beta * similarity).masked_fill(spared, lowest)
    return _log_one_plus(pull) / alpha + _log_one_plus(push) / beta


class _Contrast(Objective):
    """Contrast between two views of concepts, on all ranks."""

    def forward(self, views: Views) -> Outcome:
        """Return the mean loss; metric ``top1`` is the accuracy of the nearest other view."""
        one, other, own, hard, hard_labels, sizes, negative_sizes = self.sides(views)
        one, other = one.float(), other.float()
        anchors, labels = torch.cat([one, other]), own.repeat(2)
        both = [2 * size for size in sizes]
        negatives = gather_rows(hard.float(), negative_sizes)
        others = torch.cat([gather_rows(anchors, both), negatives])
        other_labels = torch.cat(
            [gather_rows(labels, both), gather_rows(hard_labels, negative_sizes)]
        )
        contrasted = Contrasted(
            anchors,
            labels,
            others,
            other_labels,
            first=sum(both[: rank()]),
            hard=len(negatives),
            kin=_kin(views, labels, other_labels),
        )
        outcome = self.contrast(contrasted)
        return Outcome(outcome.loss, {**outcome.metrics, "top1": _top1(one, other, own)})

    @abstractmethod
    def sides(self, views: Views) -> Sides:
        """Return what is contrasted."""

    @abstractmethod
    def contrast(self, contrasted: Contrasted) -> Outcome:
        """Return the loss of this rank's anchors against everyone's vectors."""


class _NtXent(_Contrast):
    def __init__(self, weight: float, temperature: float) -> None:
        super().__init__(weight)
        self.temperature = temperature

    def contrast(self, contrasted: Contrasted) -> Outcome:
        """Average over ordered positive pairs, see :func:`nt_xent`.

        Metric ``bound`` is the InfoNCE lower bound ``log N - loss`` on the mutual information of
        the two views, in nats.
        """
        pairs = nt_xent(contrasted, self.temperature)
        count = pairs.pairs.sum()
        loss, mean = mean_over_ranks(pairs.losses.sum(), count)
        entropy = mean_over_ranks((pairs.pairs * pairs.candidates.log()).sum(), count)[1]
        return Outcome(loss, {"loss": mean, "bound": entropy - mean})


class Alignment(_NtXent):
    """NT-Xent over mention and graph vectors together: the alignment of BALI."""

    def sides(self, views: Views) -> Sides:
        """Contrast mentions with the graph vectors of their concepts."""
        return _mentions_and_graphs(views)


class MentionName(_NtXent):
    """NT-Xent over mention and name vectors: alignment with a concept's name, without graph.

    All names of the batch are negatives, those of neighbours among them, which are hard.
    """

    def sides(self, views: Views) -> Sides:
        """Contrast mentions with the name drawn for their concepts."""
        counts = views.counts
        named = [n + 2 * pairs for n, pairs in zip(counts.nodes, counts.pairs, strict=True)]
        return Sides(
            views.mentions,
            views.names,
            views.batch.concepts,
            *views.every_name,
            counts.mentions,
            named,
        )


class NameName(_NtXent):
    """NT-Xent over two names of a concept, as in SapBERT (Liu et al., 2021).

    Concepts are those mentioned and those drawn further; one with a single name takes no part. The
    names drawn for nodes are negatives too.
    """

    def sides(self, views: Views) -> Sides:
        """Contrast names drawn for concepts with second names of theirs."""
        one, other = views.name_pairs
        graph, counts = views.subgraph, views.counts
        return Sides(
            one,
            other,
            graph.pair_concepts,
            views.nodes,
            graph.node_concept,
            counts.pairs,
            counts.nodes,
        )


class MultiSimilarity(_Contrast):
    """Multi-Similarity loss over mention and graph vectors together."""

    def __init__(self, weight: float, alpha: float, beta: float, base: float) -> None:
        super().__init__(weight)
        self.alpha, self.beta, self.base = alpha, beta, base

    def sides(self, views: Views) -> Sides:
        """Contrast mentions with the graph vectors of their concepts."""
        return _mentions_and_graphs(views)

    def contrast(self, contrasted: Contrasted) -> Outcome:
        """Average over anchors, see :func:`multi_similarity`."""
        losses = multi_similarity(contrasted, self.alpha, self.beta, self.base)
        loss, mean = mean_over_ranks(losses.sum(), len(losses))
        return Outcome(loss, {"loss": mean})


def _mentions_and_graphs(views: Views) -> Sides:
    return Sides(
        views.mentions,
        views.graph,
        views.batch.concepts,
        views.negative_graphs,
        views.batch.negative_concepts,
        views.counts.mentions,
        views.counts.negatives,
    )


def _kin(views: Views, labels: Tensor, other_labels: Tensor) -> Tensor | None:
    """Return which concepts are related, ``[a, n]``; None where that is not asked for."""
    sizes = views.counts.families
    if not any(sizes):
        return None
    member, family = gather_rows(views.batch.families.T, sizes).T
    shared = (family[:, None] == family).float()
    of_one, of_other = ((some[:, None] == member).float() for some in (labels, other_labels))
    related: Tensor = of_one @ shared @ of_other.T > 0
    return related


def _log_one_plus(exponents: Tensor) -> Tensor:
    """Return ``log(1 + sum_j exp(e_ij))``."""
    return functional.softplus(exponents.logsumexp(1))


@torch.no_grad()
def _top1(one: Tensor, other: Tensor, labels: Tensor) -> Tensor:
    """Return how often the nearest vector of the other side is of the same concept."""
    # With no vector at all there is no nearest one.
    nearest = cosine(one, other).argmax(1) if len(labels) else labels
    return mean_over_ranks((labels[nearest] == labels).sum().float(), len(labels))[1]
