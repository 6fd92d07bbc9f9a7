"""Text as arrays of normalised words, so that millions of characters are read at once.

A word is a run of letters or of digits (``IL-6`` and ``IL6`` both read *il 6*); a Greek letter is a
word of its own, the same as its spelled name. Words are compared by a 64-bit hash of what is left
once case, accents, plural endings and possessives are taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.characters import (
    GREEK_NAMES,
    TABLE_SIZE,
    Kind,
    character_table,
    fold,
    mix,
)

Hashes = NDArray[np.uint64]
Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]

T = TypeVar("T")

CHARACTERS_AT_ONCE = 500_000  # more are read no faster, and take more memory
_BASE = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2**64


def chunks(items: Iterable[T], text: Callable[[T], str]) -> Iterator[list[T]]:
    """Cut items into lists whose texts are read at once; none is empty."""
    chunk: list[T] = []
    size = 0
    for item in items:
        chunk.append(item)
        size += len(text(item))
        if size >= CHARACTERS_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


@dataclass(frozen=True)
class Words:
    """The T words of some texts, in order.

    Attributes:
        text: [T] text a word is in.
        start: [T] its first character, in that text.
        end: [T] the character after its last.
        key: [T] hash of its normal form.
        gap: [T] 1 where punctuation (more than a space, hyphen or slash) comes before it.
        opens: [T] True where no letter or digit comes directly before it.
        closes: [T] True where none comes directly after it.
        last: [T] True for the last word of a text.
    """

    text: Positions
    start: Positions
    end: Positions
    key: Hashes
    gap: Hashes
    opens: Flags
    closes: Flags
    last: Flags
    _characters: _Characters
    _first: Positions
    _after: Positions

    def __len__(self) -> int:
        return len(self.key)

    def surfaces(
        self, first: Positions, last: Positions
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Hash the characters from each word ``first`` to ``last``: (as they are, folded).

        Equal characters have equal hashes wherever they stand.
        """
        start, end = self._first[first], self._after[last]
        cased = _span_hash(self._characters.cased, start, end)
        folded = _span_hash(self._characters.folded, start, end)
        return (mix(cased) >> 32).astype(np.uint32), (mix(folded) >> 32).astype(np.uint32)


@dataclass(frozen=True)
class _Characters:
    """The characters of all texts without the ignored ones, [C], and running hashes [C + 1]."""

    at: Positions
    code: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    low: NDArray[np.uint32]
    upper: Flags
    cased: Hashes
    folded: Hashes


def read_words(texts: Sequence[str]) -> Words:
    """Split texts into normalised words."""
    joined = "\n".join(texts)
    characters = _read_characters(joined)
    first, after = _word_bounds(characters.kind)
    keys = _keys(characters, first, after)
    closes = ~_is_part(characters.kind, after)
    keep, after = _join_possessives(characters, first, after)
    first, after = first[keep], after[keep]
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)])
    start, end = characters.at[first], characters.at[after - 1] + 1
    text = np.searchsorted(starts, start, side="right") - 1
    return Words(
        text=text,
        start=start - starts[text],
        end=end - starts[text],
        key=keys[keep],
        gap=_gaps(characters.kind, first, after),
        opens=~_is_part(characters.kind, first - 1),
        closes=closes[keep],
        last=np.append(text[1:] != text[:-1], True)[: len(text)],
        _characters=characters,
        _first=first,
        _after=after,
    )


def hash_spellings(words: Sequence[str]) -> Hashes:
    """Hash words of plain letters by how they are spelled, [words]."""
    ends = np.cumsum([0, *(len(word) + 1 for word in words)])
    folded = _read_characters("\n".join(words)).folded
    return _span_hash(folded, ends[:-1], ends[1:] - 1)


def _read_characters(joined: str) -> _Characters:
    table = character_table()
    code = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    small = np.minimum(code, TABLE_SIZE - 1).astype(np.intp)  # which indexes fastest
    kind = table.kind[small]
    rare = code >= TABLE_SIZE
    kind[rare] = Kind.LETTER
    at = np.flatnonzero(kind != Kind.IGNORED)
    if len(at) < len(kind):
        code, small, kind, rare = code[at], small[at], kind[at], rare[at]
    low, upper = table.folded[small], table.upper[small]
    cased, folded = table.cased_hash[small], table.folded_hash[small]
    if rare.any():
        low[rare], upper[rare] = code[rare], False
        cased[rare] = folded[rare] = mix(code[rare].astype(np.uint64))
    return _Characters(at, code, kind, low, upper, _running(cased), _running(folded))


def _word_bounds(kind: NDArray[np.uint8]) -> tuple[Positions, Positions]:
    padded = np.pad(kind, 1, constant_values=Kind.SOFT)
    edge = (padded[1:] != padded[:-1]) | (padded[1:] == Kind.GREEK) | (padded[:-1] == Kind.GREEK)
    first = np.flatnonzero(edge & (padded[1:] >= Kind.LETTER))
    after = np.flatnonzero(edge & (padded[:-1] >= Kind.LETTER))
    return first, after


def _is_part(kind: NDArray[np.uint8], at: Positions) -> Flags:
    inside = (at >= 0) & (at < len(kind))
    result: Flags = inside & (kind[np.clip(at, 0, len(kind) - 1)] >= Kind.LETTER)
    return result


def _gaps(kind: NDArray[np.uint8], first: Positions, after: Positions) -> Hashes:
    hard = np.concatenate([[0], np.cumsum(kind == Kind.HARD)])
    before = np.concatenate([[0], after[:-1]])
    gaps: Hashes = (hard[first] > hard[before[: len(first)]]).astype(np.uint64)
    return gaps


def _join_possessives(
    characters: _Characters, first: Positions, after: Positions
) -> tuple[Flags, Positions]:
    """Let ``'s`` belong to the word before it; return which words stay, and the new ends.

    Text that a tool has cut into tokens has a space between the two.
    """
    quote, space = (characters.code[np.maximum(first - back, 0)] for back in (1, 2))
    apart = (space == ord(" ")) & _is_part(characters.kind, first - 3)
    possessive = (
        (after - first == 1)
        & (characters.low[first] == ord("s"))
        & ((quote == ord("'")) | (quote == ord("’")))
        & (_is_part(characters.kind, first - 2) | apart)
    )
    after = after.copy()
    owners = np.flatnonzero(possessive) - 1
    after[owners] = after[owners + 1]
    return ~possessive, after


def _keys(characters: _Characters, first: Positions, after: Positions) -> Hashes:
    keys = _span_hash(characters.folded, first, after)
    greek = np.flatnonzero(characters.kind[first] == Kind.GREEK)
    if len(greek):
        names, inverse = np.unique(characters.low[first[greek]], return_inverse=True)
        keys[greek] = np.array([_hash(GREEK_NAMES[chr(c)]) for c in names], np.uint64)[inverse]
    plural = np.flatnonzero((characters.low[after - 1] == ord("s")) & (after - first >= 4))
    keys[plural] = _singular_keys(characters, first[plural], after[plural])
    return keys


def _singular_keys(characters: _Characters, first: Positions, after: Positions) -> Hashes:
    """Hash words that end in *s* as their singular: what is cut, and the letter put in its place.

    *-ies* becomes *-y*, *-sis* and *-ses* both *-se*; *-sses -xes -shes* and the *-uses* of virus,
    sinus and the like lose *es*, other words their *s*, unless they end in *-ss -us -is* or are
    written in capitals.
    """
    long = after - first >= 5
    e, h, i, s, u, x = (ord(letter) for letter in "ehisux")
    second, third, fourth = (characters.low[after - back] for back in (2, 3, 4))
    latin = np.isin(characters.low[np.maximum(after - 5, 0)], [ord(letter) for letter in "lmnrt"])
    ies = (second == e) & (third == i) & long
    sis = (second == i) & (third == s) & long
    es = (third == x) | ((fourth == s) & ((third == s) | (third == h)))
    es = (second == e) & (es | ((third == s) & (fourth == u) & latin & long))
    capitals = np.concatenate([[0], np.cumsum(characters.upper)])
    kept = (second == s) | (second == u) | ((second == i) & ~sis)
    kept |= capitals[after] - capitals[first] == after - first
    cut = np.select([kept, ies, sis, es], [0, 3, 2, 2], default=1)
    added = np.select([kept, ies, sis], [0, ord("y"), e], default=0)
    stem = _span_hash(characters.folded, first, after - cut)
    power = _powers(len(characters.folded))[0][after - cut - first]
    letter = character_table().folded_hash[added] * power
    return np.where(added > 0, stem + letter, stem)


def _running(values: Hashes) -> Hashes:
    """Sum values times rising powers, so that any span's hash is a difference of two sums."""
    powers, _ = _powers(len(values))
    return np.concatenate([np.zeros(1, np.uint64), np.cumsum(values * powers[: len(values)])])


def _span_hash(running: Hashes, start: Positions, end: Positions) -> Hashes:
    """Hash spans by their content alone: dividing by the power at ``start`` takes place away."""
    _, inverses = _powers(len(running))
    return (running[end] - running[start]) * inverses[start]


def _hash(word: str) -> np.uint64:
    values = character_table().folded_hash[[ord(character) for character in fold(word)]]
    return np.uint64(_running(values)[-1])


def _powers(count: int) -> tuple[Hashes, Hashes]:
    """Return at least ``count`` powers of the base, and of its inverse, modulo 2**64."""
    return _powers_of(max(count, 1 << 16).bit_length())


@cache
def _powers_of(bits: int) -> tuple[Hashes, Hashes]:
    def powers(base: int) -> Hashes:
        factors = np.full(1 << bits, base, dtype=np.uint64)
        factors[0] = 1
        return np.cumprod(factors)

    return powers(_BASE), powers(pow(_BASE, -1, 1 << 64))
