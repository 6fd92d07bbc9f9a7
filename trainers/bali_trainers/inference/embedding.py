"""Vectors of names and of mentions in their sentences by a language model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoTokenizer

from bali_platform.base.progress import QUIET, Reporter, Step
from bali_trainers.batches.tokens import WordPieces
from bali_trainers.models.text import load_text_encoder, resolve_base

Precision = Literal["fp32", "bf16"]
_TOKENS_AT_ONCE = 1024  # activations of more do not fit a core's cache


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


class NameEncoder:
    """A model folder or Hugging Face name, ready to encode names as in training (mean pooling).

    ``bf16`` halves the time on processors that compute with it, and the memory of the vectors;
    cosines move by some 1e-4.
    """

    def __init__(
        self,
        model: str,
        *,
        name_length: int = 32,
        sentence_length: int = 256,
        precision: Precision = "fp32",
        device: str = "cpu",
    ) -> None:
        self._text = load_text_encoder(model).eval().to(device)
        self._pieces = word_pieces(resolve_base(model))
        self._name_length = name_length
        self._sentence_length = min(sentence_length, self._text.positions)
        self._device = device
        self._stored = np.float16 if precision == "bf16" else np.float32
        self._autocast = torch.autocast(device, torch.bfloat16, enabled=precision == "bf16")

    @property
    def width(self) -> int:
        """Length of a vector."""
        return self._text.width

    @cached_property
    def digest(self) -> str:
        """Digest of the encoder's weights: models of the same one make the same vectors."""
        total = blake2b(digest_size=16)
        for name, value in sorted(self._text.model.base_model.state_dict().items()):
            total.update(name.encode())
            total.update(value.cpu().reshape(-1).view(torch.uint8).numpy())
        return total.hexdigest()

    @property
    def pieces(self) -> WordPieces:
        """Its tokenizer."""
        return self._pieces

    def encode(
        self, names: Sequence[str], *, unit: bool = True, reporter: Reporter = QUIET
    ) -> Embedded:
        """Encode names; those that tokenise alike get one vector, so that they tie exactly.

        Without ``unit``, vectors are the mean states themselves: what a graph encoder reads.
        """
        ids, mask = self._pieces.encode_names(names, self._name_length)
        distinct, row = np.unique(np.where(mask == 1, ids, -1), axis=0, return_inverse=True)
        with reporter.step("encode names", len(distinct)) as step:
            vectors = self._encode_rows(distinct, self._text.pooled, step)
        if unit:
            vectors = _unit(vectors)
        return Embedded(vectors.astype(self._stored), row.reshape(-1))

    def encode_first(
        self, ids: NDArray[np.int32], mask: NDArray[np.uint8], *, reporter: Reporter = QUIET
    ) -> NDArray[np.float32]:
        """Return the state of the first of each row of word pieces ``[N, L]``, ``[N, d]``."""
        with reporter.step("encode texts", len(ids)) as step:
            return self._encode_rows(np.where(mask == 1, ids, -1), self._text.first, step)

    def encode_in_context(self, spans: Spans, *, reporter: Reporter = QUIET) -> NDArray[np.float32]:
        """Encode spans as the mean state of their tokens in the sentence, unit vectors [M, d].

        A span that the length of a sentence cuts off has a vector of zeros.
        """
        vectors = np.zeros((len(spans.row), self._text.width), dtype=np.float32)
        order = np.argsort(spans.row, kind="stable")
        bounds = np.searchsorted(spans.row[order], np.arange(len(spans.sentences) + 1))
        lengths = np.array([len(sentence) for sentence in spans.sentences]) // 4 + 2
        rows = np.unique(spans.row)
        longest = rows[np.argsort(lengths[rows], kind="stable")]
        with reporter.step("encode sentences", len(longest)) as step, torch.inference_mode():
            for batch in _batches(longest, lengths):
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
                torch.from_numpy(pieces.ids).to(self._device),
                torch.from_numpy(pieces.mask).to(self._device).long(),
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
        step: Step,
    ) -> NDArray[np.float32]:
        """Encode rows of word pieces, -1 where there are none, shortest first."""
        lengths = (ids >= 0).sum(axis=1)
        vectors = np.empty((len(ids), self._text.width), dtype=np.float32)
        with torch.inference_mode(), self._autocast:
            for batch in _batches(np.argsort(lengths, kind="stable"), lengths):
                some = torch.from_numpy(ids[batch, : lengths[batch[-1]]]).to(self._device)
                vectors[batch] = encode(some.clamp(min=0), (some >= 0).long()).cpu().numpy()
                step.advance(len(batch))
        return vectors


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(lengths, 1e-12)
    return unit


def _batches(order: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Cut indices, shortest first, where a batch would pass the bound on its tokens."""
    batches, first = [], 0
    while first < len(order):
        size = max(1, _TOKENS_AT_ONCE // int(lengths[order[first]]))
        batches.append(order[first : first + size])
        first += size
    return batches


def word_pieces(source: str) -> WordPieces:
    """Load the tokenizer of a model folder or Hugging Face name."""
    if Path(source).is_dir() and (Path(source) / "tokenizer.json").is_file():
        return WordPieces(Path(source))
    with tempfile.TemporaryDirectory() as folder:
        AutoTokenizer.from_pretrained(source).save_pretrained(folder)
        return WordPieces(Path(folder))
