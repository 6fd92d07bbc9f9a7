"""Masked tokens, recovered from the text, or from the text and the graph."""

from __future__ import annotations

from torch import Tensor, nn

from bali_trainers.models.text import TextEncoder
from bali_trainers.models.views import Views
from bali_trainers.objectives.base import Objective, Outcome
from bali_trainers.training.distributed import mean_over_ranks


class MaskedTokens(Objective):
    """Predict masked tokens with the checkpoint's own head, at the masked positions only."""

    def forward(self, views: Views) -> Outcome:
        """Return the mean cross-entropy over masked tokens; metric ``accuracy``."""
        return _recover(views.text, views.predicted, views.batch.predicted.labels)


class GraphToText(Objective):
    """Recover the masked tokens of mentions with the graph vector of their concept as context.

    The vector, through a map that starts at zero, is added to the token's state before the head.
    """

    def __init__(self, weight: float, width: int) -> None:
        super().__init__(weight)
        self.context = nn.Linear(width, width)
        nn.init.zeros_(self.context.weight)
        nn.init.zeros_(self.context.bias)

    def forward(self, views: Views) -> Outcome:
        """Return the mean cross-entropy over masked tokens of mentions; metric ``accuracy``."""
        batch = views.batch
        states = views.masked_mentions + self.context(views.graph[batch.masked_owner])
        return _recover(views.text, states, batch.masked.labels)


def _recover(text: TextEncoder, states: Tensor, labels: Tensor) -> Outcome:
    total, hits = text.recover(states, labels)
    loss, mean = mean_over_ranks(total, len(labels))
    return Outcome(loss, {"loss": mean, "accuracy": mean_over_ranks(hits, len(labels))[1]})
