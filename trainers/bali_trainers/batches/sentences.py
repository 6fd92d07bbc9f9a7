"""A linked corpus as columns: a million sentences in a few hundred megabytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bali_platform.base.consecutive import spell_out
from bali_platform.base.errors import BaliError
from bali_trainers.batches.randomness import Purpose, generator
from bali_trainers.batches.spec import DataSpec


@dataclass(frozen=True)
class SentenceBatch:
    """Some sentences and all their mentions.

    Attributes:
        texts: The sentences, B of them.
        row: [M] sentence of each mention, ascending.
        start: [M] first character of each mention in its sentence.
        end: [M] character after its last.
        cui: [M] concept of each mention.

    """

    texts: list[str]
    row: NDArray[np.int64]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    cui: NDArray[np.str_]


class LinkedSentences:
    """The sentences of a corpus that mention a concept; those without a mention are left out.

    With ``spec.sentences_per_concept``, so many are drawn for each concept, and those drawn for
    none are left out, too. With ``spec.links = "shuffled"``, every mention then has the concept of
    another one.

    Attributes:
        lengths: [N] characters of each sentence.
        concepts: The distinct CUIs of the corpus.

    """

    def __init__(self, spec: DataSpec) -> None:
        folder, table = spec.corpus, _read(spec.corpus)
        if spec.sentences_per_concept:
            random = generator(spec.seed, Purpose.SENTENCES, epoch=0)
            table = _balanced(table, spec.sentences_per_concept, random)
        mentions = table["mentions"].combine_chunks()
        spans = mentions.flatten()
        self._texts = table["text"].combine_chunks()
        self._first = mentions.offsets.to_numpy().astype(np.int64) - mentions.offsets[0].as_py()
        self._start = spans.field("start").to_numpy()
        self._end = spans.field("end").to_numpy()
        cuis = spans.field("cui").dictionary_encode()
        concept = cuis.indices.to_numpy()
        if spec.links == "shuffled":
            concept = generator(spec.seed, Purpose.LINKS, epoch=0).permutation(concept)
        self._concept = concept
        self.concepts: NDArray[np.str_] = np.array(cuis.dictionary.to_pylist(), dtype=np.str_)
        self.lengths: NDArray[np.int32] = pc.utf8_length(self._texts).to_numpy().astype(np.int32)
        self._check(folder)

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, sentences: NDArray[np.int64]) -> SentenceBatch:
        """Return ``sentences`` (indices, [B]) in the order given."""
        first = self._first[sentences]
        row, mention = spell_out(first, self._first[sentences + 1] - first)
        return SentenceBatch(
            texts=self._texts.take(pa.array(sentences)).to_pylist(),
            row=row,
            start=self._start[mention],
            end=self._end[mention],
            cui=self.concepts[self._concept[mention]],
        )

    def _check(self, folder: Path) -> None:
        sentence = np.repeat(np.arange(len(self)), np.diff(self._first))
        wrong = (
            (self._start < 0) | (self._end <= self._start) | (self._end > self.lengths[sentence])
        )
        if wrong.any():
            at = int(wrong.argmax())
            text = self._texts[sentence[at]].as_py()
            raise BaliError(
                f"{folder}: mention {self._start[at]}-{self._end[at]} lies outside its sentence "
                f"({text[:40]!r}, {len(text)} characters): link the corpus again"
            )


def _read(folder: Path) -> pa.Table:
    parts = [_read_part(path) for path in sorted(folder.glob("part-*.parquet"))]
    table = pa.concat_tables(parts) if parts else None
    if table is None or not len(table):
        raise BaliError(
            f"{folder}: no sentence of this corpus mentions a concept: nothing to train"
        )
    return table


def _balanced(table: pa.Table, count: int, random: np.random.Generator) -> pa.Table:
    """Draw ``count`` sentences for each concept: the first that mention it, in a random order."""
    mentions = table["mentions"].combine_chunks()
    concept = mentions.flatten().field("cui").dictionary_encode().indices.to_numpy()
    place = random.permutation(len(table))
    places = place.repeat(pc.list_value_length(mentions).to_numpy())
    concepts, places = np.divmod(np.unique(concept * np.int64(len(table)) + places), len(table))
    rank = np.arange(len(concepts)) - np.searchsorted(concepts, concepts)
    drawn = np.zeros(len(table), dtype=np.bool_)
    drawn[places[rank < count]] = True
    return table.filter(drawn[place])


def _read_part(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path, columns=["text", "mentions"])
    except (OSError, pa.ArrowException) as error:
        raise BaliError(f"{path} is damaged ({error}): make the corpus again") from None
    # A string column holds 2 GiB at most; a large one has no such bound.
    table = table.set_column(0, "text", table["text"].cast(pa.large_string()))
    return table.filter(pc.greater(pc.list_value_length(table["mentions"]), 0))
