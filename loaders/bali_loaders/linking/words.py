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
)
from bali_loaders.linking.joined import Flags, Joined, Positions
from bali_platform.base.consecutive import spell_out
from bali_platform.base.mixing import mix

Hashes = NDArray[np.uint64]
T = TypeVar("T")

CHARACTERS_AT_ONCE = 500_000  # more are read no faster, and take more memory
LONGEST_ACRONYM = 5
"""Words in capitals that are no longer keep their *s*: AIDS is no plural, SEIZURES is one."""
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
        joined: The texts.
        text: [T] text a word is in.
        start: [T] its first character, in all texts joined.
        end: [T] the character after its last.
        key: [T] hash of its normal form.
        gap: [T] 1 where punctuation (more than a space, hyphen or slash) comes before it.
        opens: [T] True where no letter or digit comes directly before it.
        closes: [T] True where none comes directly after it.
        last: [T] True for the last word of a text.
    """

    joined: Joined
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
    """The characters of all texts without the ignored ones, [C], and running hashes [C + 1].

    ``small`` is an index of the table of characters; ``at`` is where each stands in the texts, None
    where none is ignored. The first and the last are line breaks.
    """

    at: Positions | None
    small: NDArray[np.intp]
    kind: NDArray[np.uint8]
    cased: Hashes
    folded: Hashes

    def low(self, at: Positions) -> NDArray[np.uint32]:
        """Return characters without case and accents."""
        return character_table().folded[self.small[at]]


def read_words(texts: Joined | Sequence[str]) -> Words:
    """Split texts into normalised words."""
    joined = texts if isinstance(texts, Joined) else Joined.of(texts)
    characters = _read_characters(joined)
    first, after = _word_bounds(characters.kind)
    keys = _keys(characters, first, after)
    closes = characters.kind[after] < Kind.LETTER
    keep, after = _join_possessives(characters, first, after)
    first, after, keys, closes = first[keep], after[keep], keys[keep], closes[keep]
    start, end = first, after
    if characters.at is not None:
        start, end = characters.at[first], characters.at[after - 1] + 1
    bounds = np.searchsorted(start, joined.origins)
    last = np.zeros(len(first), dtype=bool)
    last[bounds[1:][np.diff(bounds) > 0] - 1] = True
    return Words(
        joined=joined,
        text=np.repeat(np.arange(len(bounds) - 1), np.diff(bounds)),
        start=start,
        end=end,
        key=keys,
        gap=_gaps(characters.kind, first),
        opens=characters.kind[first - 1] < Kind.LETTER,
        closes=closes,
        last=last,
        _characters=characters,
        _first=first,
        _after=after,
    )


def hash_spellings(words: Sequence[str]) -> Hashes:
    """Hash words of plain letters by how they are spelled, [words]."""
    joined = Joined.of(words)
    return _span_hash(_read_characters(joined).folded, joined.origins[:-1], joined.origins[1:] - 1)


def _read_characters(joined: Joined) -> _Characters:
    table = character_table()
    at, code, small, kind = None, joined.code, joined.small, table.kind[joined.small]
    if (kind == Kind.IGNORED).any():
        at = np.flatnonzero(kind != Kind.IGNORED)
        code, small, kind = code[at], small[at], kind[at]
    cased, folded = table.cased_hash[small], table.folded_hash[small]
    rare = np.flatnonzero(small == TABLE_SIZE)
    cased[rare] = folded[rare] = mix(code[rare].astype(np.uint64))
    return _Characters(at, small, kind, _running(cased), _running(folded))


def _word_bounds(kind: NDArray[np.uint8]) -> tuple[Positions, Positions]:
    part, greek = kind >= Kind.LETTER, kind == Kind.GREEK
    edge = (kind[1:] != kind[:-1]) | greek[1:]
    return np.flatnonzero(edge & part[1:]) + 1, np.flatnonzero(edge & part[:-1]) + 1


def _gaps(kind: NDArray[np.uint8], first: Positions) -> Hashes:
    gaps = np.zeros(len(first) + 1, dtype=np.uint64)
    gaps[np.searchsorted(first, np.flatnonzero(kind == Kind.HARD))] = 1
    return gaps[:-1]


def _join_possessives(
    characters: _Characters, first: Positions, after: Positions
) -> tuple[Flags, Positions]:
    """Let ``'s`` belong to the word before it; return which words stay, and the new ends.

    Text that a tool has cut into tokens has a space between the two.
    """
    short = np.flatnonzero(after - first == 1)
    short = short[characters.low(first[short]) == ord("s")]
    quote, space = (characters.small[np.maximum(first[short] - back, 0)] for back in (1, 2))
    part = [characters.kind[np.maximum(first[short] - back, 0)] >= Kind.LETTER for back in (2, 3)]
    possessive = ((quote == ord("'")) | (quote == ord("’"))) & (
        part[0] | ((space == ord(" ")) & part[1])
    )
    owned = short[possessive]
    keep = np.ones(len(first), dtype=bool)
    keep[owned] = False
    after = after.copy()
    after[owned - 1] = after[owned]
    return keep, after


def _keys(characters: _Characters, first: Positions, after: Positions) -> Hashes:
    keys = _span_hash(characters.folded, first, after)
    greek = np.flatnonzero(characters.kind[first] == Kind.GREEK)
    if len(greek):
        names, inverse = np.unique(characters.low(first[greek]), return_inverse=True)
        keys[greek] = np.array([_hash(GREEK_NAMES[chr(c)]) for c in names], np.uint64)[inverse]
    plural = np.flatnonzero((characters.low(after - 1) == ord("s")) & (after - first >= 4))
    keys[plural] = _singular_keys(characters, first[plural], after[plural])
    return keys


def _singular_keys(characters: _Characters, first: Positions, after: Positions) -> Hashes:
    """Hash words that end in *s* as their singular: what is cut, and the letter put in its place.

    *-ies* becomes *-y*, *-sis* and *-ses* both *-se*; *-sses -xes -shes* and the *-uses* of virus,
    sinus and the like lose *es*, other words their *s*, unless they end in *-ss -us -is* or are
    acronyms.
    """
    long = after - first >= 5
    e, h, i, s, u, x = (ord(letter) for letter in "ehisux")
    second, third, fourth = (characters.low(after - back) for back in (2, 3, 4))
    latin = np.isin(characters.low(np.maximum(after - 5, 0)), [ord(letter) for letter in "lmnrt"])
    ies = (second == e) & (third == i) & long
    sis = (second == i) & (third == s) & long
    es = (third == x) | ((fourth == s) & ((third == s) | (third == h)))
    es = (second == e) & (es | ((third == s) & (fourth == u) & latin & long))
    kept = (second == s) | (second == u) | ((second == i) & ~sis)
    kept |= (after - first <= LONGEST_ACRONYM) & _capitals(characters, first, after)
    cut = np.select([kept, ies, sis, es], [0, 3, 2, 2], default=1)
    added = np.select([kept, ies, sis], [0, ord("y"), e], default=0)
    stem = _span_hash(characters.folded, first, after - cut)
    power = _powers(len(characters.folded))[0][after - cut - first]
    letter = character_table().folded_hash[added] * power
    return np.where(added > 0, stem + letter, stem)


def _capitals(characters: _Characters, first: Positions, after: Positions) -> Flags:
    """Tell which words are written in capitals."""
    upper = character_table().upper
    capitals = upper[characters.small[first]] & upper[characters.small[after - 1]]
    own = np.flatnonzero(capitals)
    word, at = spell_out(first[own], after[own] - first[own])
    capitals[own[word[~upper[characters.small[at]]]]] = False
    return capitals


def _running(values: Hashes) -> Hashes:
    """Sum values times rising powers, so that any span's hash is a difference of two sums."""
    powers, _ = _powers(len(values))
    running = np.zeros(len(values) + 1, dtype=np.uint64)
    np.cumsum(values * powers[: len(values)], out=running[1:])
    return running


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
