"""Which sentences make up a batch: random, by length, shared between ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bali_trainers.data.randomness import Purpose, generator

__all__ = ["epoch_order"]

BATCHES_PER_POOL = 64


def epoch_order(
    lengths: NDArray[np.int32], batch_size: int, *, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Return the sentences of every step of an epoch, [steps, batch_size].

    A uniform permutation is cut into pools; inside a pool, sentences of like length go together;
    then the batches change places at random. A sentence occurs at most once. What does not fill a
    last batch waits for another epoch, whose permutation leaves out others.
    """
    random = generator(seed, Purpose.ORDER, epoch=epoch)
    steps = len(lengths) // batch_size
    chosen = random.permutation(len(lengths))[: steps * batch_size]
    pool = np.arange(len(chosen)) // (batch_size * BATCHES_PER_POOL)
    by_length = chosen[np.lexsort((lengths[chosen], pool))].reshape(steps, batch_size)
    return by_length[random.permutation(steps)]
