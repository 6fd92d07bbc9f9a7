"""From the token states of mentions to one vector a mention."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn


class MentionPooling(nn.Module):
    """Pool runs of token states into one vector each.

    ``attention`` weighs the tokens of a mention by a learned query that starts at zero, and so
    starts as the mean.
    """

    def __init__(self, kind: Literal["mean", "first", "max", "attention"], width: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "attention":
            self.query = nn.Parameter(torch.zeros(width))

    def forward(self, states: Tensor, offsets: Tensor) -> Tensor:
        """Pool states ``[T, d]`` to vectors ``[M, d]``.

        Mention m owns ``states[offsets[m]:offsets[m + 1]]``, which is never empty.
        """
        if self.kind == "first":
            return states[offsets[:-1]]
        if self.kind == "attention":
            weights = _segment_softmax(states @ self.query, offsets)
            return torch.segment_reduce(states * weights[:, None], "sum", offsets=offsets, axis=0)
        return torch.segment_reduce(states, self.kind, offsets=offsets, axis=0)


def _segment_softmax(scores: Tensor, offsets: Tensor) -> Tensor:
    sizes = offsets.diff()
    highest = torch.segment_reduce(scores.detach(), "max", offsets=offsets, axis=0)
    exponents = (scores - highest.repeat_interleave(sizes)).exp()
    sums = torch.segment_reduce(exponents, "sum", offsets=offsets, axis=0)
    return exponents / sums.repeat_interleave(sizes)
