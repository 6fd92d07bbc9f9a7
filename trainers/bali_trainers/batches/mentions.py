"""From characters to tokens: which word pieces a mention is made of."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from bali_trainers.batches.sentences import SentenceBatch
from bali_trainers.batches.tokens import Pieces


@lru_cache(maxsize=200_000)
def concept_label(cui: str) -> int:
    """Return the label of a concept: 63 bits that every process and release agrees on.

    >>> concept_label("C0000039") == concept_label("C0000039") != concept_label("C0000052")
    True
    """
    return int.from_bytes(blake2b(cui.encode(), digest_size=8).digest(), "big") >> 1


def token_cover(batch: SentenceBatch, pieces: Pieces, max_length: int) -> NDArray[np.bool_]:
    """Tell which tokens share a character with each mention, [M, L].

    A mention that truncation cut, even in part, has no token at all.
    """
    cover: NDArray[np.bool_] = (pieces.start[batch.row] < batch.end[:, None]) & (
        pieces.end[batch.row] > batch.start[:, None]
    )
    full = pieces.mask.sum(axis=1) >= max_length
    last = pieces.end.max(axis=1, initial=0)
    cover[full[batch.row] & (batch.end > last[batch.row])] = False
    return cover


def pool_mentions(
    cover: NDArray[np.bool_], row: NDArray[np.int64], group: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Join the tokens of all mentions of a group, each token once, as (tokens, offsets).

    Args:
        cover: [M, L] tokens of each mention; every group has one at least.
        row: [M] sentence of each mention.
        group: [M] group of each mention, numbered from 0 without gaps.

    Returns:
        Flat positions (``row * L + column``) [T], and where each group's begin [groups + 1].

    """
    mention, column = np.nonzero(cover)
    size = cover.shape[1] * (int(row.max(initial=0)) + 1)
    position = row[mention] * cover.shape[1] + column
    distinct = np.unique(group[mention] * size + position)
    counts = np.bincount(distinct // size, minlength=int(group.max(initial=-1)) + 1)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return (distinct % size).astype(np.int32), offsets.astype(np.int32)
