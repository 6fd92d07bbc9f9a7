"""A mention in its sentence, read as its text is read alone."""

from __future__ import annotations

from torch.nn import functional

from bali_trainers.models.views import Views
from bali_trainers.objectives.base import Objective, Outcome
from bali_trainers.training.distributed import mean_over_ranks


class MentionText(Objective):
    """Cosine distance of a mention from what it is called, read without the sentence.

    The concepts of a batch are so few that contrast tells them apart by the topic of a sentence.
    The distance does not end there: a mention has to be read itself, and an abbreviation by what
    the text has defined it as. Names are not drawn towards sentences: only mentions move.
    """

    def forward(self, views: Views) -> Outcome:
        """Return the mean distance ``1 - cos``, also as metric ``loss``."""
        mentions, texts = views.mentions.float(), views.names.detach().float()
        distances = 1 - functional.cosine_similarity(mentions, texts)
        loss, mean = mean_over_ranks(distances.sum(), len(distances))
        return Outcome(loss, {"loss": mean})
