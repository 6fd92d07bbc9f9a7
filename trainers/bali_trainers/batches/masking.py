"""Masked language modelling: 15 % of the tokens, of which 80/10/10 masked, replaced, kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IGNORED = -100


def mask_tokens(
    input_ids: NDArray[np.int32],
    maskable: NDArray[np.bool_],
    *,
    probability: float,
    mask_id: int,
    vocabulary: NDArray[np.int32],
    random: np.random.Generator,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return (masked ids, labels), both [B, L]; labels are -100 where nothing is predicted.

    Each maskable token is chosen with ``probability``; when chance chooses none, the one that came
    nearest is taken, so that the loss of a batch is always defined. ``probability`` 0 chooses none.
    A replaced token is uniform over ``vocabulary``. Source: Devlin et al. 2019, section 3.1.
    """
    labels = np.full_like(input_ids, IGNORED)
    masked = input_ids.copy()
    draw = np.where(maskable, random.random(input_ids.shape), np.inf)
    if probability == 0 or not maskable.any():
        return masked, labels
    chosen = draw < max(probability, np.nextafter(draw.min(), 1))
    labels[chosen] = input_ids[chosen]
    fate = random.random(input_ids.shape)
    masked[chosen & (fate < 0.8)] = mask_id
    replaced = chosen & (fate >= 0.8) & (fate < 0.9)
    masked[replaced] = random.choice(vocabulary, size=int(replaced.sum()))
    return masked, labels
