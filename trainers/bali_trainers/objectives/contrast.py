"""Contrast between vectors that are labelled with concepts."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from bali_trainers.distributed import gather_rows, mean_over_ranks
from bali_trainers.objectives.base import Objective, Outcome
from bali_trainers.views import Views

__all__ = ["Alignment", "PairLosses", "nt_xent"]


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
    rows = torch.arange(len(anchors), device=anchors.device)
    similarity = functional.normalize(anchors) @ functional.normalize(others).T / temperature
    same = anchor_labels[:, None] == other_labels
    negatives = similarity.masked_fill(same, torch.finfo(similarity.dtype).min).logsumexp(1)
    positive = same.clone()
    positive[rows, first + rows] = False
    row, column = torch.nonzero(positive, as_tuple=True)
    losses = functional.softplus(negatives[row] - similarity[row, column])
    return PairLosses(losses, (1 + (~same).sum(1))[row])


class Alignment(Objective):
    """NT-Xent over mention and graph vectors together, negatives gathered from all ranks."""

    def __init__(self, weight: float, temperature: float) -> None:
        super().__init__(weight)
        self.temperature = temperature

    def forward(self, views: Views) -> Outcome:
        """Return the mean over ordered positive pairs, see :func:`nt_xent`.

        Metrics: ``bound``, the InfoNCE lower bound ``log N - loss`` on the mutual information of
        text and graph, in nats; ``top1``, how often the most similar graph vector on this rank
        belongs to the mention's concept.
        """
        labels = views.batch.concepts
        vectors = torch.cat([views.mentions, views.graph]).float()
        own = labels.repeat(2)
        others, first = gather_rows(vectors)
        pairs = nt_xent(
            vectors,
            own,
            others,
            gather_rows(own)[0],
            first=first,
            temperature=self.temperature,
        )
        count = torch.tensor(len(pairs.losses), device=labels.device)
        loss, mean = mean_over_ranks(pairs.losses.sum(), count)
        entropy = mean_over_ranks(pairs.candidates.log().sum(), count)[1]
        metrics = {"loss": mean, "bound": entropy - mean, "top1": _top1(views)}
        return Outcome(loss, metrics)


@torch.no_grad()
def _top1(views: Views) -> Tensor:
    labels = views.batch.concepts
    similarity = functional.normalize(views.mentions) @ functional.normalize(views.graph).T
    hits = (labels[similarity.argmax(1)] == labels).sum()
    return mean_over_ranks(hits.float(), torch.tensor(len(labels), device=labels.device))[1]
