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
            return _reduced(states * weights[:, None], "sum", offsets)
        return _reduced(states, self.kind, offsets)


def _reduced(values: Tensor, kind: str, offsets: Tensor) -> Tensor:
    # Offsets that were checked would have to be waited for on a GPU: hence "unsafe".
    return torch.segment_reduce(values, kind, offsets=offsets, axis=0, unsafe=True)


def _segment_softmax(scores: Tensor, offsets: Tensor) -> Tensor:
    sizes, count = offsets.diff(), len(scores)
    highest = _reduced(scores.detach(), "max", offsets)
    exponents = (scores - highest.repeat_interleave(sizes, output_size=count)).exp()
    sums = _reduced(exponents, "sum", offsets)
    return exponents / sums.repeat_interleave(sizes, output_size=count)
