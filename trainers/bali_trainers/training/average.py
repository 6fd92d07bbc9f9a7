"""A moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from bali_trainers.training import distributed


class Average:
    """An exponential moving average of a module's trainable weights.

    The first steps count for less than ``decay`` would have it, so that a short run does not end
    with the weights that it began with.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        self.weights = {n: p.detach().clone() for n, p in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the weights after ``step`` optimiser steps."""
        decay = min(self.decay, step / (step + 9))
        torch._foreach_lerp_([*self.weights.values()], [*self._parameters.values()], 1 - decay)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take over an average that was saved."""
        for name, value in weights.items():
            self.weights[name].copy_(distributed.like(value, self.weights[name]))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average in the place of the weights for a while."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self._parameters.items():
            kept = parameter.clone()
            parameter.copy_(self.weights[name])
            self.weights[name].copy_(kept)
