"""Vectors of names and of mentions in their sentences by a language model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.batches.tokens import WordPieces
from bali_trainers.inference.precision import settle_device, settle_precision, tokens_at_once
from bali_trainers.models.bases import Pooling, name_pooling, told_pooling, word_pieces
from bali_trainers.models.text import TextEncoder, load_text_encoder

Precision = Literal["fp32", "bf16"]
_NAMES_AT_ONCE = 50_000  # that are cut into pieces: what the tokenizer makes of one is 1 KB
_KEPT = 16  # files of vectors that are kept, the newest


@dataclass(frozen=True)
class Embedded:
    """Vectors of some names.

    Attributes:
        vectors: [U, d] unit vectors of the names that the model can tell apart.
        row: [N] the vector of each name.
    """

    vectors: NDArray[np.floating]
    row: NDArray[np.int64]


@dataclass(frozen=True)
class Spans:
    """M marked spans in some sentences.

    Attributes:
        sentences: The sentences.
        row: [M] sentence of each span.
        start: [M] its first character there.
        end: [M] the character after its last.
    """

    sentences: tuple[str, ...]
    row: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]


@dataclass(frozen=True)
class Setup:
    """How vectors are computed.

    Attributes:
        precision: ``bf16`` halves the time on processors that compute with it, and the memory of
            the vectors; cosines move by some 1e-4. ``auto`` takes it where that is so.
        device: ``auto`` is the GPU where there is one.
        cache: Folder that keeps the vectors of dictionaries and queries; None keeps none.
        reporter: Told how far it is.
    """

    precision: Precision | Literal["auto"] = "fp32"
    device: str = "auto"
    cache: Path | None = None
    reporter: Reporter = QUIET


PLAIN = Setup()


class NameEncoder:
    """A model folder or Hugging Face name, ready to encode names and mentions.

    Names are pooled as the model's own ``1_Pooling`` says, and as in training (mean) where it says
    nothing; texts are cut where they are longer than ``name_length`` or ``sentence_length`` word
    pieces, or than the model has positions for.
    """

    def __init__(
        self,
        model: str,
        setup: Setup = PLAIN,
        *,
        name_length: int = 32,
        sentence_length: int = 256,
    ) -> None:
        self.device = settle_device(setup.device)
        kind = torch.device(self.device).type
        self._text = load_text_encoder(model).eval().to(self.device)
        self._pieces = word_pieces(model)
        self._pooling = name_pooling(model)
        setup.reporter.say(told_pooling(model))
        self._name_length = min(name_length, self._text.positions)
        self._sentence_length = min(sentence_length, self._text.positions)
        self._cache, self._reporter = setup.cache, setup.reporter
        self.precision = settle_precision(setup.precision, kind)
        self._stored = np.float16 if self.precision == "bf16" else np.float32
        self._autocast = torch.autocast(kind, torch.bfloat16, enabled=self.precision == "bf16")
        self._room = tokens_at_once(self.device, self._text.width)

    @property
    def width(self) -> int:
        """Length of a vector."""
        return self._text.width

    @cached_property
    def digest(self) -> str:
        """Digest of the weights and the pooling: models of the same one make the same vectors."""
        return model_digest(self._text, self._pooling)

    @property
    def pieces(self) -> WordPieces:
        """Its tokenizer."""
        return self._pieces

    def encode(self, names: Sequence[str], *, unit: bool = True) -> Embedded:
        """Encode names; those that tokenise alike get one vector, so that they tie exactly.

        Without ``unit``, vectors are the pooled states themselves: what a graph encoder reads.
        """
        distinct, row = self._tokenised(names)
        vectors = np.empty((len(distinct), self.width), dtype=self._stored)
        self._encode_names(distinct, vectors, unit=unit)
        return Embedded(vectors, row)

    def encode_both(
        self, names: Sequence[str], queries: Sequence[str]
    ) -> tuple[Embedded, Embedded]:
        """Encode a dictionary and what is looked up in it, as :meth:`encode` does both together.

        The vectors of both are kept in the setup's ``cache``: the same model is not asked for them
        again.
        """
        distinct, row = self._tokenised([*names, *queries])
        shown = np.zeros(len(distinct), dtype=bool)
        shown[row[: len(names)]] = True
        place = np.where(shown, shown.cumsum(), (~shown).cumsum()) - 1
        dictionary = self._kept(distinct[shown])
        asked, back = np.unique(row[len(names) :], return_inverse=True)
        vectors = np.empty((len(asked), self.width), dtype=self._stored)
        known = shown[asked]
        vectors[known] = dictionary[place[asked[known]]]
        vectors[~known] = self._kept(distinct[asked[~known]])
        return Embedded(dictionary, place[row[: len(names)]]), Embedded(vectors, back.reshape(-1))

    def _tokenised(self, names: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Return the distinct rows of word pieces, -1 where there are none, and each name's row."""
        rows = np.full((len(names), self._name_length), -1, dtype=np.int32)
        with self._reporter.step("cut names into word pieces", len(names)) as step:
            for first in range(0, len(names), _NAMES_AT_ONCE):
                some = names[first : first + _NAMES_AT_ONCE]
                ids, mask = self._pieces.encode_names(some, self._name_length)
                rows[first : first + len(ids), : ids.shape[1]] = np.where(mask == 1, ids, -1)
                step.advance(len(ids))
        used = (rows >= 0).any(axis=0).sum()
        distinct, row = np.unique(rows[:, :used], axis=0, return_inverse=True)
        return distinct, row.reshape(-1)

    def _kept(self, rows: NDArray[np.int32]) -> NDArray[np.floating]:
        """Return the unit vectors of rows of word pieces, from the cache if they are there."""
        if self._cache is None or not len(rows):
            vectors = np.empty((len(rows), self.width), dtype=self._stored)
            self._encode_names(rows, vectors)
            return vectors
        rows = rows[:, : (rows >= 0).any(axis=0).sum()]
        told = (self.digest, self.precision, str(rows.shape))
        key = blake2b(" ".join(told).encode(), digest_size=16)
        key.update(rows.tobytes())
        file = self._cache / f"{key.hexdigest()}.npy"
        if not file.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            partial = file.with_suffix(f".{os.getpid()}")
            kept = np.lib.format.open_memmap(
                partial, "w+", dtype=self._stored, shape=(len(rows), self.width)
            )
            self._encode_names(rows, kept)
            kept.flush()
            partial.replace(file)
            _keep_newest(self._cache)
        found: NDArray[np.floating] = np.load(file, mmap_mode="r")
        return found

    def _encode_names(
        self, rows: NDArray[np.int32], into: NDArray[np.floating], *, unit: bool = True
    ) -> None:
        pool = self._text.pooled if self._pooling == "mean" else self._text.first
        with self._reporter.step("encode names", len(rows)) as step:
            for batch, vectors in self._encode_rows(rows, pool):
                into[batch] = unit_rows(vectors) if unit else vectors
                step.advance(len(batch))

    def encode_first(self, ids: NDArray[np.int32], mask: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the state of the first of each row of word pieces ``[N, L]``, ``[N, d]``."""
        first = np.empty((len(ids), self.width), dtype=np.float32)
        with self._reporter.step("encode texts", len(ids)) as step:
            for batch, vectors in self._encode_rows(np.where(mask == 1, ids, -1), self._text.first):
                first[batch] = vectors
                step.advance(len(batch))
        return first

    def encode_in_context(self, spans: Spans) -> NDArray[np.float32]:
        """Encode spans as the mean state of their tokens in the sentence, unit vectors [M, d].

        A span that the length of a sentence cuts off has a vector of zeros.
        """
        vectors = np.zeros((len(spans.row), self._text.width), dtype=np.float32)
        order = np.argsort(spans.row, kind="stable")
        bounds = np.searchsorted(spans.row[order], np.arange(len(spans.sentences) + 1))
        lengths = np.array([len(sentence) for sentence in spans.sentences]) // 4 + 2
        rows = np.unique(spans.row)
        longest = rows[np.argsort(lengths[rows], kind="stable")]
        with self._reporter.step("encode sentences", len(longest)) as step, torch.inference_mode():
            for batch in _batches(longest, lengths, self._room):
                own = np.concatenate([order[bounds[row] : bounds[row + 1]] for row in batch])
                row = np.repeat(np.arange(len(batch)), bounds[batch + 1] - bounds[batch])
                texts = [spans.sentences[number] for number in batch]
                vectors[own] = self._mentions(texts, row, spans.start[own], spans.end[own])
                step.advance(len(batch))
        return vectors

    def _mentions(
        self,
        texts: list[str],
        row: NDArray[np.int64],
        start: NDArray[np.int64],
        end: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        pieces = self._pieces.encode(texts, self._sentence_length)
        cover = (pieces.start[row] < end[:, None]) & (pieces.end[row] > start[:, None])
        cover[end > pieces.end.max(axis=1)[row]] = False
        mention, column = np.nonzero(cover)
        with self._autocast:
            states = self._text(
                torch.from_numpy(pieces.ids).to(self.device),
                torch.from_numpy(pieces.mask).to(self.device).long(),
            )
        tokens = states[row[mention], column].float().cpu()
        sums = torch.zeros(len(row), self._text.width)
        sums.index_add_(0, torch.from_numpy(mention), tokens)
        unit: NDArray[np.float32] = torch.nn.functional.normalize(sums, dim=1).numpy()
        return unit

    def _encode_rows(
        self,
        ids: NDArray[np.int32],
        encode: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Yield numbers of rows of word pieces, shortest first, and their vectors."""
        lengths = (ids >= 0).sum(axis=1)
        for batch in _batches(np.argsort(lengths, kind="stable"), lengths, self._room):
            some = torch.from_numpy(ids[batch, : lengths[batch[-1]]]).to(self.device)
            with torch.inference_mode(), self._autocast:
                vectors = encode(some.clamp(min=0), (some >= 0).long())
            yield batch, vectors.float().cpu().numpy()


def model_digest(text: TextEncoder, pooling: Pooling) -> str:
    """Return the digest of an encoder's weights and of how its states are pooled."""
    total = blake2b(digest_size=16)
    for name, value in sorted(text.model.base_model.state_dict().items()):
        total.update(name.encode())
        total.update(value.cpu().reshape(-1).view(torch.uint8).numpy())
    if pooling != "mean":
        total.update(pooling.encode())
    return total.hexdigest()


def unit_rows(vectors: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return vectors ``[N, d]`` at unit length; those of zeros stay as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(lengths, 1e-12)
    return unit


def _batches(
    order: NDArray[np.int64], lengths: NDArray[np.int64], room: int
) -> list[NDArray[np.int64]]:
    """Cut indices, shortest first, where a batch would pass the bound on its tokens."""
    batches, first = [], 0
    while first < len(order):
        size = max(1, room // int(lengths[order[first]]))
        last = order[min(first + size, len(order)) - 1]
        size = max(1, room // int(lengths[last]))  # the longest of a batch pads the others
        batches.append(order[first : first + size])
        first += size
    return batches


def _keep_newest(cache: Path) -> None:
    files = sorted(cache.glob("*.npy"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[_KEPT:]:
        file.unlink(missing_ok=True)
