"""Masked language modelling."""

from __future__ import annotations

import torch
from torch.nn import functional

from bali_trainers.distributed import mean_over_ranks
from bali_trainers.objectives.base import Objective, Outcome
from bali_trainers.views import Views

__all__ = ["MaskedTokens"]


class MaskedTokens(Objective):
    """Predict masked tokens with the checkpoint's own head, at the masked positions only."""

    def forward(self, views: Views) -> Outcome:
        """Return the mean cross-entropy over masked tokens; metric ``accuracy``."""
        labels = views.batch.labels.flatten()[views.batch.predicted]
        logits = views.text.vocabulary_logits(views.predicted).float()
        count = torch.tensor(len(labels), device=labels.device)
        loss, mean = mean_over_ranks(
            functional.cross_entropy(logits, labels, reduction="sum"), count
        )
        hits = (logits.detach().argmax(1) == labels).sum().float()
        return Outcome(loss, {"loss": mean, "accuracy": mean_over_ranks(hits, count)[1]})
