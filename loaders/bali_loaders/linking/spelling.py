"""Misspelt words: which word of a dictionary's names one stands for that nobody knows.

Words one edit apart (a letter more, less, another, or two swapped) share a form with at most one
letter taken out (Garbe's SymSpell): so a word is found by the hashes of a few such forms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from itertools import takewhile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.characters import fold
from bali_loaders.linking.lexicon import cues, sections, senses
from bali_loaders.linking.words import Hashes, Words, hash_spellings, read_words
from bali_platform.base.mixing import mix

SHORTEST, LONGEST = 6, 24
"""Letters of the words that are corrected; shorter ones are too much like others."""
_BITS = 22
_KEPT = 100_000
_AT_ONCE = 20_000
_WORD = re.compile(r"[a-z]+")
_RIGHT = re.compile(rf"[a-z]{{{SHORTEST},{LONGEST}}}")
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Spelling:
    """The words of a dictionary's names and of plain English, as arrays that open in no time.

    Attributes:
        known: [2**22] True where a word's hash begins or ends with these bits (Bloom's filter).
        forms: [F] hashes of the names' words with at most one letter taken out, ascending.
        origins: [F] the word that each is of.
        words: [W] those words, as bytes.
        keys: [W] what each is compared by; see :class:`~bali_loaders.linking.words.Words`.
    """

    known: Flags
    forms: Hashes
    origins: NDArray[np.int32]
    words: NDArray[np.bytes_]
    keys: Hashes
    _found: dict[str, int] = field(default_factory=dict)

    def correct(self, words: Words) -> tuple[Words, Flags]:
        """Replace unknown words by what they stand for; tell which were, [T]."""
        at, spelled = self._unknown(words)
        new = sorted(set(spelled) - self._found.keys())
        self._found.update(zip(new, self._nearest(new), strict=True))
        place = np.array([self._found.get(word, -1) for word in spelled], dtype=np.int64)
        if len(self._found) > _KEPT:
            self._found.clear()
        keys, changed = words.key.copy(), np.zeros(len(words), dtype=bool)
        at, place = at[place >= 0], place[place >= 0]
        keys[at], changed[at] = self.keys[place], True
        return replace(words, key=keys), changed

    def _knows(self, keys: Hashes) -> Flags:
        first, second = self.known[_cells(keys)]
        both: Flags = first & second
        return both

    def _unknown(self, words: Words) -> tuple[NDArray[np.int64], list[str]]:
        """Return the words that nobody knows, and how they are spelled; names of people are none.

        Those have a capital where no sentence begins.
        """
        length = words.end - words.start
        whole = words.opens & words.closes
        at = np.flatnonzero(whole & (length >= SHORTEST) & (length <= LONGEST))
        at = at[~self._knows(words.key[at])]
        begins = (words.gap > 0) | np.append(True, words.last)[:-1]
        columns = (at, words.start[at], words.end[at], begins[at])
        found: dict[int, str] = {}
        for place, start, end, begin in zip(*(c.tolist() for c in columns), strict=True):
            word = words.joined.text[start:end]
            if (begin or not word.istitle()) and _RIGHT.fullmatch(plain := fold(word)):
                found[place] = plain
        return np.array(list(found), dtype=np.int64), list(found.values())

    def _nearest(self, spelled: Sequence[str]) -> list[int]:
        """Return the one word that is an edit apart from each; -1 where none or several are."""
        forms, owners = _forms(spelled)
        low = np.searchsorted(self.forms, forms)
        high = np.searchsorted(self.forms, forms, side="right")
        near: list[set[int]] = [set() for _ in spelled]
        for at in np.flatnonzero(high > low).tolist():
            near[owners[at]].update(self.origins[low[at] : high[at]].tolist())
        pairs = zip(spelled, near, strict=True)
        return [self._only(word, own) if own else -1 for word, own in pairs]

    def _only(self, word: str, candidates: Iterable[int]) -> int:
        if self._knows(read_words([word]).key).all():
            return -1  # in lower case it is known
        real = [c for c in candidates if one_edit_apart(word, self.words[c].decode())]
        return real[0] if len(real) == 1 else -1


def open_spelling(folder: Path) -> Spelling:
    """Map what :func:`compile_spelling` wrote into memory."""
    return Spelling(**{path.stem: np.load(path, mmap_mode="r") for path in folder.glob("*.npy")})


def compile_spelling(vocabulary: Iterable[str], folder: Path) -> None:
    """Compile the words of names, in lower case, into an empty ``folder``."""
    right = sorted(filter(_RIGHT.fullmatch, vocabulary))
    keys = read_words(right).key
    known = np.zeros(1 << _BITS, dtype=bool)
    known[_english_cells()] = True
    known[_cells(read_words(sorted(vocabulary)).key)] = True
    parts = [_forms(right[at : at + _AT_ONCE]) for at in range(0, len(right), _AT_ONCE)]
    origins = [own + at * _AT_ONCE for at, (_, own) in enumerate(parts)]
    forms = np.concatenate([np.empty(0, np.uint64), *(form for form, _ in parts)])
    order = np.argsort(forms, kind="stable")
    arrays: dict[str, NDArray[np.generic]] = {
        "known": known,
        "forms": forms[order],
        "origins": np.concatenate([np.empty(0, np.int32), *origins]).astype(np.int32)[order],
        "words": np.array([word.encode() for word in right], dtype=f"S{LONGEST}"),
        "keys": keys,
    }
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def words_of(name: str) -> list[str]:
    """Return the words of a name that are made of plain letters, in lower case."""
    return _WORD.findall(name.lower() if name.isascii() else fold(name))


def one_edit_apart(one: str, other: str) -> bool:
    """Tell whether a letter more, less, another, or two swapped make one word of the other.

    The first letter, which people seldom get wrong, must agree.
    """
    same = takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    at = sum(1 for _ in same)
    ours, theirs = one[at:], other[at:]
    swapped = ours[1::-1] + ours[2:] == theirs
    return at > 0 and (
        swapped or ours[1:] == theirs[1:] or ours[1:] == theirs or ours == theirs[1:]
    )


def _cells(keys: Hashes) -> Hashes:
    """Return the two cells of each key, [2, keys]."""
    mixed = mix(keys)
    return np.stack([mixed >> np.uint64(64 - _BITS), mixed & np.uint64((1 << _BITS) - 1)])


def _forms(words: Sequence[str]) -> tuple[Hashes, NDArray[np.int64]]:
    """Return hashes of words as they are and with each letter taken out, and the word of each."""
    spelled = [
        (form, at)
        for at, word in enumerate(words)
        for form in {word, *(word[:i] + word[i + 1 :] for i in range(1, len(word)))}
    ]
    owners = np.array([at for _, at in spelled], dtype=np.int64)
    return hash_spellings([form for form, _ in spelled]), owners


@cache
def _english_cells() -> Hashes:
    """Return the cells of common words of English, and of those of the linker's own tables."""
    source = files("symspellpy").joinpath("frequency_dictionary_en_82_765.txt")
    lines = source.read_text(encoding="utf-8-sig").splitlines()
    phrases = [*senses(), *sections(), *(cue.phrase for cue in cues())]
    own = (word for phrase in phrases for word in words_of(phrase))
    return _cells(read_words([*(line.partition(" ")[0] for line in lines), *own]).key)
