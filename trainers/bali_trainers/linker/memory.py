"""What a linker remembers of the mentions it was trained on: which concept each meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.consecutive import spell_out
from bali_platform.graph.names import name_key
from bali_trainers.linker.candidates import Candidates, Mentions
from bali_trainers.linker.features import Features

_MENTIONS_OF_A_CONCEPT = 24
_PAIRS_AT_ONCE = 8192
_DOUBT = 0.5
_STEP = np.uint64(0x9E3779B97F4A7C15)

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Memory:
    """T remembered mentions, by concept. Of texts, only hashes are kept.

    Attributes:
        concept: [T] what each means, ascending.
        key: [T] hash of what each is called, folded.
        document: [T] number of its document.
        in_context: [T, d] unit vector of it in its sentence, in half precision.
    """

    concept: NDArray[np.int64]
    key: Hashes
    document: NDArray[np.int64]
    in_context: NDArray[np.float16]

    def features(self, mentions: Mentions, pairs: Candidates, *, own: bool) -> Features:
        """Compare mentions with those remembered of each candidate.

        ``own``: these are the remembered mentions; none remembers its own document.
        """
        document = mentions.document if own else np.full(len(mentions.names), -1)
        found = self._counts(mentions, pairs, document)
        return found | {"remembered": self._likeness(mentions, pairs, document)}

    def _likeness(
        self, mentions: Mentions, pairs: Candidates, document: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        first = np.searchsorted(self.concept, pairs.concept)
        count = np.searchsorted(self.concept, pairs.concept, side="right") - first
        count = np.minimum(count, _MENTIONS_OF_A_CONCEPT)
        best = np.zeros(len(pairs.mention), np.float32)
        for at in range(0, len(best), _PAIRS_AT_ONCE):
            some = slice(at, at + _PAIRS_AT_ONCE)
            pair, row = spell_out(first[some], count[some])
            asked = pairs.mention[some][pair]
            remembered = self.in_context[row].astype(np.float32)
            like = np.einsum("pd,pd->p", remembered, mentions.in_context[asked])
            like[self.document[row] == document[asked]] = 0
            np.maximum.at(best[some], pair, like)
        return best

    def _counts(
        self, mentions: Mentions, pairs: Candidates, document: NDArray[np.int64]
    ) -> Features:
        key = hash_keys(mentions.names)[pairs.mention]
        told = (
            (_number(self.concept), _number(pairs.concept)),
            (self.key, key),
            (_with(self.key, self.concept), _with(key, pairs.concept)),
        )
        own = document[pairs.mention]
        seen, text, both = (
            _count(known, asked) - _count(_with(known, self.document), _with(asked, own))
            for known, asked in told
        )
        return {
            "seen": np.log1p(seen),
            "of this text": (both + _DOUBT / 40) / (text + _DOUBT),
        }


def hash_keys(names: Sequence[str]) -> Hashes:
    """Return the hash of each text, folded."""
    digests = (blake2b(name_key(name).encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def _number(values: NDArray[np.int64]) -> Hashes:
    return values.astype(np.uint64)


def _with(hashes: Hashes, values: NDArray[np.int64]) -> Hashes:
    mixed: Hashes = (hashes + np.uint64(1)) * _STEP
    return (mixed ^ (mixed >> np.uint64(29))) * _STEP + _number(values)


def _count(known: Hashes, asked: Hashes) -> NDArray[np.float32]:
    known = np.sort(known)
    count = np.searchsorted(known, asked, side="right") - np.searchsorted(known, asked)
    return count.astype(np.float32)
