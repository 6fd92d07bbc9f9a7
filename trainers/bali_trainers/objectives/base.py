"""What an objective is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from bali_trainers.models.views import Views


@dataclass(frozen=True, slots=True)
class Outcome:
    """An objective's loss on a batch, and what else is worth reporting.

    Attributes:
        loss: Scalar with gradient; averaging gradients over ranks gives the global gradient.
        metrics: Detached scalars over all ranks; ``loss`` is one of them.
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


def cosine(one: Tensor, other: Tensor) -> Tensor:
    """Return the cosines ``[a, b]`` of vectors ``[a, d]`` and ``[b, d]``, in single precision."""
    # In half precision, similarities would be rounded to steps that a low temperature makes large.
    with torch.autocast(one.device.type, enabled=False):
        return functional.normalize(one) @ functional.normalize(other).T
