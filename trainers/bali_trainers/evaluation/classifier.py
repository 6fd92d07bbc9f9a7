"""A language model with a head that is trained together with it, and what it reads of examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bali_trainers.batches.tokens import WordPieces, pad
from bali_trainers.evaluation.classification import Example, Span
from bali_trainers.models.bases import Pooling
from bali_trainers.models.text import TextEncoder

_MARKS = (("<<", ">>"), ("[[", "]]"))
_DROPOUT = 0.1
_SPREAD = 0.02  # of the head's first weights


@dataclass(frozen=True)
class Row:
    """One text, or pair of texts, as a model reads it.

    Attributes:
        ids: [L] word pieces.
        segments: [L] 0 in the first text, 1 in the second.
        readings: [R, L] how tokens are weighed in each vector that the head sees: the whole's, and
            those of the things marked.
    """

    ids: list[int]
    segments: list[int]
    readings: NDArray[np.float32]


def read_rows(
    examples: Sequence[Example], pieces: WordPieces, pooling: Pooling, max_length: int
) -> list[list[Row]]:
    """Return the rows of each example: one, or one for each of its options.

    Two texts are a pair, and so is a text with an option. Things are marked in their text,
    ``<< one >>`` and ``[[ other ]]``; one beyond ``max_length`` is read as the whole is.
    """
    if examples[0].options:
        pairs = [[(" ".join(e.texts), option) for option in e.options] for e in examples]
    elif len(examples[0].texts) == 1:
        return [[row] for row in _marked_rows(examples, pieces, pooling, max_length)]
    else:
        pairs = [[(e.texts[0], e.texts[1])] for e in examples]
    rows = [
        Row(ids, segments, _whole(len(ids), pooling))
        for ids, segments in pieces.encode_pairs([*chain.from_iterable(pairs)], max_length)
    ]
    ends = np.cumsum([0, *map(len, pairs)]).tolist()
    return [rows[first:last] for first, last in pairwise(ends)]


def mark(text: str, marked: Sequence[Sequence[Span]]) -> tuple[str, list[list[Span]]]:
    """Put marks around things, and return where they are then, marks included."""
    places = sorted(  # what ends does so before what begins, and of nested things the inner first
        (place, opens, -other, thing, number)
        for thing, spans in enumerate(marked)
        for number, (start, end) in enumerate(spans)
        for place, opens, other in ((start, True, end), (end, False, start))
    )
    result, last = "", 0
    starts: dict[tuple[int, int], int] = {}
    found: list[list[Span]] = [[] for _ in marked]
    for place, opens, _, thing, number in places:
        result, last = result + text[last:place], place
        if opens:
            starts[thing, number] = len(result)
            result += f"{_MARKS[thing][0]} "
        else:
            result += f" {_MARKS[thing][1]}"
            found[thing].append((starts[thing, number], len(result)))
    return result + text[last:], found


class Classifier(nn.Module):
    """Dropout and a linear map on an encoder's vectors: scores of classes, or one of an option."""

    def __init__(self, encoder: TextEncoder, readings: int, scores: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Linear(readings * encoder.width, scores)
        nn.init.normal_(self.head.weight, std=_SPREAD)
        nn.init.zeros_(self.head.bias)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, rows: Sequence[Row]) -> Tensor:
        """Return the scores of B rows, ``[B, scores]``."""
        device = self.head.weight.device
        ids, mask = pad([row.ids for row in rows], 0)
        segments, _ = pad([row.segments for row in rows], 0)
        readings = np.zeros((len(rows), len(rows[0].readings), ids.shape[1]), dtype=np.float32)
        for number, row in enumerate(rows):
            readings[number, :, : len(row.ids)] = row.readings
        inputs = (torch.from_numpy(array).to(device).long() for array in (ids, mask, segments))
        states = self.encoder(*inputs).float()
        vectors = torch.from_numpy(readings).to(device) @ states
        scores: Tensor = self.head(self.dropout(vectors.flatten(1)))
        return scores


def _marked_rows(
    examples: Sequence[Example], pieces: WordPieces, pooling: Pooling, max_length: int
) -> list[Row]:
    rows = []
    for example in examples:
        text, things = mark(example.texts[0], example.marked)
        cut = pieces.encode([text], max_length)
        whole = _whole(cut.ids.shape[1], pooling)
        seen = [_cover(cut.start[0], cut.end[0], spans) for spans in things]
        readings = [own / own.sum() if own.any() else whole[0] for own in seen]
        rows.append(Row(cut.ids[0].tolist(), [0] * len(whole[0]), np.stack([whole[0], *readings])))
    return rows


def _cover(
    start: NDArray[np.int32], end: NDArray[np.int32], spans: Sequence[Span]
) -> NDArray[np.float32]:
    """Mark the tokens that are in one of the spans, [L]."""
    inside = [(start < last) & (end > first) for first, last in spans]
    covered: NDArray[np.float32] = np.any(inside, axis=0).astype(np.float32)
    return covered


def _whole(length: int, pooling: Pooling) -> NDArray[np.float32]:
    if pooling == "cls":
        return np.eye(1, length, dtype=np.float32)
    return np.full((1, length), 1 / length, dtype=np.float32)
