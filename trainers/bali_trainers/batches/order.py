"""Which sentences make up a batch: random, by length, shared between ranks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bali_trainers.batches.randomness import Purpose, generator

STEPS_PER_POOL = 64
DEV_EPOCH = 2**32 - 1  # the epoch that the batches held out of training are called by


def steps_per_epoch(sentences: int, step: int) -> int:
    """Return how many steps of at most ``step`` sentences show each of them once."""
    return -(-sentences // step)


def split(
    sentences: int, held_out: int, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sentences to train on, and ``held_out`` others, chosen evenly; both ascend."""
    shuffled = generator(seed, Purpose.DEV, epoch=DEV_EPOCH).permutation(sentences)
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])


def epoch_order(
    lengths: NDArray[np.int32], step: int, *, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Return the sentences of every step of an epoch; each sentence occurs exactly once.

    A uniform permutation is cut into pools; inside a pool, sentences of like length go together;
    then the steps change places at random. A step has ``step`` sentences or, where those do not
    come out even, all steps have as many but for one.
    """
    random = generator(seed, Purpose.ORDER, epoch=epoch)
    steps = steps_per_epoch(len(lengths), step)
    shuffled = random.permutation(len(lengths))
    bounds = np.arange(1, steps) * len(lengths) // steps
    edges = bounds[STEPS_PER_POOL - 1 :: STEPS_PER_POOL]
    pool = np.searchsorted(edges, np.arange(len(lengths)), side="right")
    by_length = shuffled[np.lexsort((lengths[shuffled], pool))]
    cut = np.split(by_length, bounds)
    return [cut[place] for place in random.permutation(steps)]
