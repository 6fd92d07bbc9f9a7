"""What a batch says, read back the slow way."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bali_platform.streaming.codec import Arrays
from bali_platform.text.corpus import Sentence
from bali_trainers.batches.sentences import SentenceBatch

__all__ = [
    "ByIds",
    "ByName",
    "names_in",
    "nodes_of",
    "original_ids",
    "overlapped",
    "rows_of",
    "spans_of",
]

ByIds = dict[tuple[int, ...], Sentence]
ByName = dict[tuple[int, ...], tuple[str, str]]


def original_ids(batch: Arrays) -> NDArray[Any]:
    """Sentences as they were before masking."""
    return np.where(batch["labels"] == -100, batch["input_ids"], batch["labels"])


def rows_of(batch: Arrays) -> list[tuple[int, ...]]:
    """Word pieces of each sentence."""
    masks = batch["attention_mask"].astype(bool)
    return [tuple(row[mask].tolist()) for row, mask in zip(original_ids(batch), masks, strict=True)]


def names_in(batch: Arrays) -> list[tuple[int, ...]]:
    """Word pieces of each name."""
    rows = zip(batch["name_input_ids"], batch["name_attention_mask"].astype(bool), strict=True)
    return [tuple(row[mask].tolist()) for row, mask in rows]


def nodes_of(batch: Arrays, by_name: ByName) -> list[tuple[str, str]]:
    """CUI and name of each node."""
    names = [by_name[pieces] for pieces in names_in(batch)]
    assert len(set(names)) == len(names)
    return [names[row] for row in batch["node_name"].tolist()]


def spans_of(batch: SentenceBatch) -> list[str]:
    """What each mention says."""
    spans = zip(batch.row, batch.start, batch.end, strict=True)
    return [batch.texts[row][start:end] for row, start, end in spans]


def overlapped(batch: SentenceBatch, mention: int) -> bool:
    """Whether a mention shares a character with another one."""
    own = set(range(batch.start[mention], batch.end[mention]))
    return any(
        other != mention
        and batch.row[other] == batch.row[mention]
        and own & set(range(batch.start[other], batch.end[other]))
        for other in range(len(batch.row))
    )
