"""What an objective is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from bali_trainers.models.views import Views


@dataclass(frozen=True, slots=True)
class Outcome:
    """An objective's loss on a batch, and what else is worth reporting.

    Attributes:
        loss: Scalar with gradient; averaging gradients over ranks gives the global gradient.
        metrics: Detached scalars over all ranks.
    """

    loss: Tensor
    metrics: Mapping[str, Tensor]


class Objective(nn.Module, ABC):
    """One term of the loss; ``weight`` multiplies it in the sum."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    @abstractmethod
    def forward(self, views: Views) -> Outcome:
        """Compute the unweighted loss on a batch."""
