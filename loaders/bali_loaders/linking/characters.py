"""What the linker sees in a character: its kind, its folded form, its hash."""

from __future__ import annotations

import unicodedata
from enum import IntEnum
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.mixing import mix

TABLE_SIZE = 0x3001
"""Code points below this are looked up; those above are letters without case (CJK, mostly)."""

_SPELLED = """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu
    nu xi omicron pi rho sigma tau upsilon phi chi psi omega
"""
GREEK_NAMES = dict(zip("αβγδεζηθικλμνξοπρστυφχψω", _SPELLED.split(), strict=True))
_BREAKS = frozenset("\t\n\v\f\r\x85")
_SOFT = frozenset("-‐‑‒–—_/'’`´+*·~^\N{RIGHTWARDS ARROW}")


class Kind(IntEnum):
    """How a character takes part in words; ``LETTER`` and above do."""

    SOFT = 0
    """Separates words and means nothing: space, line break, hyphen, slash."""
    HARD = 1
    """Punctuation, which a name has to share."""
    IGNORED = 2
    """Not there as far as words go: combining accents, soft hyphens."""
    LETTER = 3
    DIGIT = 4
    GREEK = 5


class CharacterTable(NamedTuple):
    """Properties by code point, [TABLE_SIZE + 1] each; the last are those of all greater ones."""

    kind: NDArray[np.uint8]
    folded: NDArray[np.uint32]
    upper: NDArray[np.bool_]
    cased_hash: NDArray[np.uint64]
    folded_hash: NDArray[np.uint64]


@cache
def character_table() -> CharacterTable:
    """Build the table, once per process (some 20 ms)."""
    rows = [*(_describe(chr(code)) for code in range(TABLE_SIZE)), (Kind.LETTER, chr(TABLE_SIZE))]
    folded = np.array([ord(character) for _, character in rows], dtype=np.uint32)
    upper = np.array([chr(code).isupper() for code in range(TABLE_SIZE + 1)])
    codes = np.arange(TABLE_SIZE + 1, dtype=np.uint64)
    kind = np.array([kind for kind, _ in rows], dtype=np.uint8)
    return CharacterTable(kind, folded, upper, mix(codes), mix(folded.astype(np.uint64)))


def fold(text: str) -> str:
    """Take case and accents away, keeping the number of characters.

    >>> fold("Ménière’s β-Blockers")
    'meniere’s β-blockers'
    """
    if text.isascii():
        return text.lower()
    return "".join(
        _describe(character)[1] if ord(character) < TABLE_SIZE else character for character in text
    )


def _describe(character: str) -> tuple[Kind, str]:
    plain = unicodedata.normalize("NFKD", character)
    base = plain[0] if all(map(unicodedata.combining, plain[1:])) else character
    lower = base.lower()
    base = lower if len(lower) == 1 else base
    return _kind(base), "σ" if base == "ς" else base


def _kind(character: str) -> Kind:
    category = unicodedata.category(character)
    if character in GREEK_NAMES or character == "ς":
        return Kind.GREEK
    if category[0] == "L":
        return Kind.LETTER
    if category[0] == "N":
        return Kind.DIGIT
    if category[0] == "M" or category == "Cf":
        return Kind.IGNORED
    soft = character in _SOFT or category[0] == "Z" or character in _BREAKS
    return Kind.SOFT if soft else Kind.HARD
