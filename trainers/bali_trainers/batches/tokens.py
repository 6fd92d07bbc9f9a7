"""Word pieces of sentences and names as arrays."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from bali_platform.base.errors import BaliError

REMEMBERED_NAMES = 200_000

DESCRIPTIONS = ("*.json", "*.txt", "*.model", "*.vocab", "*.tiktoken")
"""The files of a model that are not its weights; its tokenizer is among them."""


@dataclass(frozen=True)
class Pieces:
    """Word pieces of B texts, padded to the longest.

    Attributes:
        ids: [B, L] token ids.
        mask: [B, L] 1 where there is a token, 0 where there is padding.
        start: [B, L] first character of each token; special tokens cover no character.
        end: [B, L] character after its last.

    """

    ids: NDArray[np.int32]
    mask: NDArray[np.uint8]
    start: NDArray[np.int32]
    end: NDArray[np.int32]


class WordPieces:
    """The tokenizer of a model folder (``tokenizer.json`` and ``tokenizer_config.json``).

    Attributes:
        size: How many word pieces it has.
        special: [size] True for the ids of special tokens.
        ordinary: The ids of all other tokens, ascending.

    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "tokenizer.json"
        try:
            definition = self._path.read_text(encoding="utf-8")
            self._settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
            self._tokenizer = Tokenizer.from_str(definition)
        except Exception as error:  # tokenizers raises nothing more exact
            raise BaliError(f"{folder} has no readable tokenizer ({error})") from None
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        size = self._tokenizer.get_vocab_size(with_added_tokens=True)
        self.size = size
        self.special: NDArray[np.bool_] = np.zeros(size, dtype=np.bool_)
        added = self._tokenizer.get_added_tokens_decoder()
        self.special[[i for i, token in added.items() if token.special]] = True
        self.ordinary = np.flatnonzero(~self.special).astype(np.int32)
        self._names: dict[tuple[str, int], bytes] = {}

    def special_token(self, role: str) -> str:
        """Return a special token, such as ``"mask"`` or ``"pad"``, as texts write it."""
        return self._special(role)[0]

    def special_id(self, role: str) -> int:
        """Return the id of a special token."""
        return self._special(role)[1]

    def _special(self, role: str) -> tuple[str, int]:
        token: Any = self._settings.get(f"{role}_token")
        content = token["content"] if isinstance(token, dict) else token
        found = self._tokenizer.token_to_id(content) if content else None
        if found is None:
            raise BaliError(f"{self._path}: the tokenizer has no {role} token")
        return content, found

    def encode(self, texts: Sequence[str], max_length: int) -> Pieces:
        """Tokenise texts with special tokens, cut to ``max_length`` pieces."""
        self._tokenizer.enable_truncation(max_length)
        encodings = self._tokenizer.encode_batch(list(texts))
        ids, mask = pad([encoding.ids for encoding in encodings], self.special_id("pad"))
        offsets = np.zeros((*ids.shape, 2), dtype=np.int32)
        pairs = chain.from_iterable(encoding.offsets for encoding in encodings)
        flat = np.fromiter(chain.from_iterable(pairs), dtype=np.int32)
        offsets[mask.astype(bool)] = flat.reshape(-1, 2)
        return Pieces(ids=ids, mask=mask, start=offsets[..., 0], end=offsets[..., 1])

    def encode_pairs(
        self, pairs: Sequence[tuple[str, str]], max_length: int
    ) -> list[tuple[list[int], list[int]]]:
        """Tokenise pairs of texts into ids and segments; the longer text is cut as needed."""
        self._tokenizer.enable_truncation(max_length)
        encodings = self._tokenizer.encode_batch_fast(list(pairs))
        return [(encoding.ids, encoding.type_ids) for encoding in encodings]

    def encode_names(
        self, names: Sequence[str], max_length: int
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """Tokenise names with special tokens and return (ids, mask), both [N, L].

        Concepts come back all the time, and their names with them: the ids are remembered.
        """
        unknown = [name for name in names if (name, max_length) not in self._names]
        if len(self._names) + len(unknown) > REMEMBERED_NAMES:
            self._names.clear()
            unknown = list(names)
        self._tokenizer.enable_truncation(max_length)
        encodings = self._tokenizer.encode_batch_fast(unknown)
        for name, encoding in zip(unknown, encodings, strict=True):
            self._names[name, max_length] = np.array(encoding.ids, dtype=np.int32).tobytes()
        rows = [self._names[name, max_length] for name in names]
        flat = np.frombuffer(b"".join(rows), dtype=np.int32)
        lengths = np.fromiter(map(len, rows), dtype=np.int64) // flat.itemsize
        return _stack(flat, lengths, self.special_id("pad"))

    def pieces(self, texts: Sequence[str], max_length: int) -> list[list[int]]:
        """Tokenise texts without special tokens into at most ``max_length`` ids each."""
        self._tokenizer.enable_truncation(max_length)
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]


def pad(rows: Sequence[Sequence[int]], filler: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """Stack rows of ids into one array, [rows, longest], and the mask of what is not padding."""
    lengths = np.fromiter(map(len, rows), dtype=np.int64)
    flat = np.fromiter(chain.from_iterable(rows), dtype=np.int32)
    return _stack(flat, lengths, filler)


def _stack(
    flat: NDArray[np.int32], lengths: NDArray[np.int64], filler: int
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    mask = np.arange(lengths.max(initial=0)) < lengths[:, None]
    ids = np.full(mask.shape, filler, dtype=np.int32)
    ids[mask] = flat
    return ids, mask.astype(np.uint8)
