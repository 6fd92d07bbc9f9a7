"""Contrast between vectors that are labelled with concepts."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bali_trainers.distributed import gather_rows, mean_over_ranks
from bali_trainers.objectives.base import Objective, Outcome
from bali_trainers.views import Views

__all__ = [
    "Alignment",
    "MentionName",
    "MultiSimilarity",
    "PairLosses",
    "multi_similarity",
    "nt_xent",
]


@dataclass(frozen=True, slots=True)
class PairLosses:
    """NT-Xent before averaging.

    Attributes:
        losses: One for every ordered positive pair, ``[pairs]``.
        candidates: What the positive of each pair was told from, itself included, ``[pairs]``.
    """

    losses: Tensor
    candidates: Tensor


def nt_xent(
    anchors: Tensor,
    anchor_labels: Tensor,
    others: Tensor,
    other_labels: Tensor,
    *,
    first: int = 0,
    temperature: float = 0.07,
) -> PairLosses:
    """Contrast anchors ``[a, d]`` with others ``[n, d]``, of which they are rows ``first...``.

    Every other vector of an anchor's label is a positive, vectors of other labels are its
    negatives, and similarity is the cosine::

        l(i, p) = -log(exp(s_ip / t) / (exp(s_ip / t) + sum_{n: label n != label i} exp(s_in / t)))

    which is ``softplus(logsumexp_n(s_in / t) - s_ip / t)``: no exponential can overflow.
    """
    similarity = _cosine(anchors, others) / temperature
    same, positive = _pairs(anchor_labels, other_labels, first)
    negatives = similarity.masked_fill(same, torch.finfo(similarity.dtype).min).logsumexp(1)
    row, column = torch.nonzero(positive, as_tuple=True)
    losses = functional.softplus(negatives[row] - similarity[row, column])
    return PairLosses(losses, (1 + (~same).sum(1))[row])


def multi_similarity(
    anchors: Tensor,
    anchor_labels: Tensor,
    others: Tensor,
    other_labels: Tensor,
    *,
    first: int = 0,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
) -> Tensor:
    """Return the Multi-Similarity loss (Wang et al., 2019) of every anchor, ``[a]``.

    Without mining; vectors and labels as for :func:`nt_xent`::

        l(i) = log(1 + sum_p exp(-alpha (s_ip - base))) / alpha
             + log(1 + sum_n exp(beta (s_in - base))) / beta
    """
    similarity = _cosine(anchors, others) - base
    same, positive = _pairs(anchor_labels, other_labels, first)
    lowest = torch.finfo(similarity.dtype).min
    pull = (-alpha * similarity).masked_fill(~positive, lowest)
    push = (beta * similarity).masked_fill(same, lowest)
    return _log_one_plus(pull) / alpha + _log_one_plus(push) / beta


class _Contrast(Objective):
    """Contrast between mention vectors and another view of their concepts, on all ranks."""

    def forward(self, views: Views) -> Outcome:
        """Return the mean loss; metric ``top1`` is the accuracy of the nearest other view."""
        labels = views.batch.concepts
        other = self.other(views)
        vectors = torch.cat([views.mentions, other]).float()
        own = labels.repeat(2)
        everyone, first = gather_rows(vectors)
        outcome = self.contrast(vectors, own, everyone, gather_rows(own)[0], first)
        top1 = _top1(views.mentions, other, labels)
        return Outcome(outcome.loss, {**outcome.metrics, "top1": top1})

    @abstractmethod
    def other(self, views: Views) -> Tensor:
        """Return the vectors ``[M, d]`` that mentions are aligned with."""

    @abstractmethod
    def contrast(
        self, anchors: Tensor, labels: Tensor, others: Tensor, other_labels: Tensor, first: int
    ) -> Outcome:
        """Return the loss of this rank's anchors against everyone's vectors."""


class _NtXent(_Contrast):
    def __init__(self, weight: float, temperature: float) -> None:
        super().__init__(weight)
        self.temperature = temperature

    def contrast(
        self, anchors: Tensor, labels: Tensor, others: Tensor, other_labels: Tensor, first: int
    ) -> Outcome:
        """Average over ordered positive pairs, see :func:`nt_xent`.

        Metric ``bound`` is the InfoNCE lower bound ``log N - loss`` on the mutual information of
        the two views, in nats.
        """
        pairs = nt_xent(
            anchors, labels, others, other_labels, first=first, temperature=self.temperature
        )
        count = torch.tensor(len(pairs.losses), device=labels.device)
        loss, mean = mean_over_ranks(pairs.losses.sum(), count)
        entropy = mean_over_ranks(pairs.candidates.log().sum(), count)[1]
        return Outcome(loss, {"loss": mean, "bound": entropy - mean})


class Alignment(_NtXent):
    """NT-Xent over mention and graph vectors together: the alignment of BALI."""

    def other(self, views: Views) -> Tensor:
        """Return the graph vectors of the mentions' concepts."""
        return views.graph


class MentionName(_NtXent):
    """NT-Xent over mention and name vectors: alignment with a concept's name, without graph."""

    def other(self, views: Views) -> Tensor:
        """Return the vector of the name drawn for each mention's concept."""
        return views.names


class MultiSimilarity(_Contrast):
    """Multi-Similarity loss over mention and graph vectors together."""

    def __init__(self, weight: float, alpha: float, beta: float, base: float) -> None:
        super().__init__(weight)
        self.alpha, self.beta, self.base = alpha, beta, base

    def other(self, views: Views) -> Tensor:
        """Return the graph vectors of the mentions' concepts."""
        return views.graph

    def contrast(
        self, anchors: Tensor, labels: Tensor, others: Tensor, other_labels: Tensor, first: int
    ) -> Outcome:
        """Average over anchors, see :func:`multi_similarity`."""
        losses = multi_similarity(
            anchors,
            labels,
            others,
            other_labels,
            first=first,
            alpha=self.alpha,
            beta=self.beta,
            base=self.base,
        )
        loss, mean = mean_over_ranks(losses.sum(), torch.tensor(len(losses), device=labels.device))
        return Outcome(loss, {"loss": mean})


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    return functional.normalize(one) @ functional.normalize(other).T


def _pairs(labels: Tensor, other_labels: Tensor, first: int) -> tuple[Tensor, Tensor]:
    """Return which vectors share a label, ``[a, n]``, and which of those are not the same one."""
    same = labels[:, None] == other_labels
    rows = torch.arange(len(labels), device=labels.device)
    positive = same.clone()
    positive[rows, first + rows] = False
    return same, positive


def _log_one_plus(exponents: Tensor) -> Tensor:
    """Return ``log(1 + sum_j exp(e_ij))``."""
    return functional.softplus(exponents.logsumexp(1))


@torch.no_grad()
def _top1(mentions: Tensor, other: Tensor, labels: Tensor) -> Tensor:
    hits = (labels[_cosine(mentions, other).argmax(1)] == labels).sum()
    return mean_over_ranks(hits.float(), torch.tensor(len(labels), device=labels.device))[1]
