"""The names of a graph, compiled to arrays that open in no time and are shared between processes.

A name is the sequence of its normalised words, and is found by the hash of that sequence. A filter
says of every hash whether some name ends there, and whether some name goes on: so matching asks for
longer and longer sequences only where there is something to find.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.names import is_acronym, is_linkable, is_short_form, name_variants
from bali_loaders.linking.spelling import compile_spelling, words_of
from bali_loaders.linking.words import Words, read_words
from bali_platform.base.errors import BaliError
from bali_platform.base.files import new_folder
from bali_platform.base.mixing import mix
from bali_platform.graph.names import is_withheld, name_key

FORMAT = 5
"""Changes whenever the same names would compile to other arrays."""

Hashes = NDArray[np.uint64]
_NAMES_AT_ONCE = 100_000
_STEP = np.uint64(0xD6E8FEB86659FD93)
_GAP = np.uint64(0xA0761D6478BD642F)
_MAX_RANK = 255


class Cell:
    """Bits: what the filter says of the hashes that share a cell."""

    GOES_ON = 1
    ENDS = 2


class Flag:
    """Bits: what is special about a name."""

    EXACT_CASE = 1
    WITHHELD = 2
    VARIANT = 4


class _Entry(NamedTuple):
    text: str
    concept: int
    rank: int
    flags: int


@dataclass(frozen=True)
class Dictionary:
    """Names of concepts, ready to be matched.

    Attributes:
        folder: Where it is kept.
        graph_version: The graph the names are from.
        withheld: Fraction of synonyms that are marked as withheld.
        filter: [2**k] bits of :class:`Cell`.
        keys: [K] hashes of names, ascending.
        offsets: [K + 1] where the entries of each key begin.
        concept: [E] index into ``cuis``.
        rank: [E] place of the name among its concept's names, 0 for the preferred one.
        flags: [E] bits of :class:`Flag`.
        cased: [E] hash of the name as it is written.
        folded: [E] the same without case.
        cuis: [C] concepts, as bytes.
    """

    folder: Path
    graph_version: str
    withheld: float
    filter: NDArray[np.uint8]
    keys: Hashes
    offsets: NDArray[np.int64]
    concept: NDArray[np.int32]
    rank: NDArray[np.uint8]
    flags: NDArray[np.uint8]
    cased: NDArray[np.uint32]
    folded: NDArray[np.uint32]
    cuis: NDArray[np.bytes_]

    def cells(self, hashes: Hashes) -> NDArray[np.uint8]:
        """Return the filter's bits for each (mixed) hash."""
        shift = np.uint64(64 - (len(self.filter).bit_length() - 1))
        cells: NDArray[np.uint8] = self.filter[hashes >> shift]
        return cells

    def find(self, hashes: Hashes) -> NDArray[np.int64]:
        """Return the index of each (mixed) hash in ``keys``, -1 where it is not a name's."""
        bucket = hashes >> self._shift
        found: NDArray[np.int64] = self._buckets[bucket]
        end = self._buckets[bucket + np.uint64(1)]
        open_ = np.arange(len(hashes))
        while len(open_):
            at = found[open_]
            gone = at == end[open_]
            found[open_[gone]] = -1
            open_ = open_[~gone & (self.keys[np.where(gone, 0, at)] != hashes[open_])]
            found[open_] += 1
        return found

    @cached_property
    def _shift(self) -> np.uint64:
        return np.uint64(64 - len(self.keys).bit_length())

    @cached_property
    def _buckets(self) -> NDArray[np.int64]:
        """Where the keys begin that share their first bits: about one each, as they are hashes."""
        counts = np.bincount((self.keys >> self._shift).astype(np.int64))
        buckets = np.zeros((1 << len(self.keys).bit_length()) + 1, dtype=np.int64)
        buckets[1 : len(counts) + 1] = counts
        return np.cumsum(buckets)


def open_dictionary(folder: Path) -> Dictionary:
    """Map a compiled dictionary into memory; raises :class:`BaliError` when there is none."""
    try:
        info = json.loads((folder / "dictionary.json").read_text("utf-8"))
        arrays: dict[str, Any] = {
            path.stem: np.asarray(np.load(path, mmap_mode="r")) for path in folder.glob("*.npy")
        }
        return Dictionary(folder=folder, **info, **arrays)
    except (OSError, ValueError, TypeError) as error:
        raise BaliError(f"{folder} is not a compiled dictionary ({error}): delete it") from None


def compile_dictionary(
    names: Iterable[tuple[str, Sequence[str]]],
    folder: Path,
    *,
    graph_version: str,
    withheld: float = 0.0,
) -> Dictionary:
    """Compile ``(cui, names best first)`` pairs into ``folder``, replacing what is there.

    Synonyms of the withheld fraction are kept, marked, so that text that holds one can be found.
    """
    info = {"graph_version": graph_version, "withheld": withheld}
    vocabulary: set[str] = set()
    with new_folder(folder) as building:
        for name, array in _compile(_noted(names, vocabulary), withheld).items():
            np.save(building / f"{name}.npy", array)
        compile_spelling(vocabulary, building / "spelling")
        (building / "dictionary.json").write_text(json.dumps(info), encoding="utf-8")
    return open_dictionary(folder)


def phrase_dictionary(phrases: Sequence[str]) -> Dictionary:
    """Compile phrases in memory, whatever words they are; a concept is a phrase's index.

    Short ones with capitals match only as they are written, others in any case.
    """
    entries = (
        _Entry(phrase, at, 0, Flag.EXACT_CASE if is_acronym(phrase) else 0)
        for at, phrase in enumerate(phrases)
    )
    cuis = [str(at) for at in range(len(phrases))]
    arrays: dict[str, Any] = _arrays(entries, cuis)
    return Dictionary(folder=Path(), graph_version="", withheld=0.0, **arrays)


def extend(hashes: Hashes, words: Words, at: NDArray[np.int64]) -> Hashes:
    """Return the running hash of each sequence after one more word."""
    return hashes * _STEP + words.key[at] + words.gap[at] * _GAP


def _noted(
    names: Iterable[tuple[str, Sequence[str]]], vocabulary: set[str]
) -> Iterator[tuple[str, Sequence[str]]]:
    """Keep the words of the names that pass."""
    for cui, own in names:
        vocabulary.update(word for name in own for word in words_of(name))
        yield cui, own


def _compile(
    names: Iterable[tuple[str, Sequence[str]]], withheld: float
) -> dict[str, NDArray[np.generic]]:
    cuis: list[str] = []
    return _arrays(_entries(names, withheld, cuis), cuis)


def _arrays(entries: Iterator[_Entry], cuis: list[str]) -> dict[str, NDArray[np.generic]]:
    """Sort the entries by key; ``cuis`` may be filled while they pass."""
    columns: list[tuple[NDArray[np.generic], ...]] = []
    prefixes: list[Hashes] = []
    while chunk := list(islice(entries, _NAMES_AT_ONCE)):
        rows, more = _hash_entries(chunk)
        columns.append(rows)
        prefixes.append(np.unique(more))
    if not columns:
        raise BaliError("the graph has no names to look for: run `bali load`")
    key, *rest = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.lexsort((rest[1], rest[0], key))
    key, *rest = (column[order] for column in (key, *rest))
    keys, first = np.unique(key, return_index=True)
    return {
        "filter": _filter(keys, np.concatenate(prefixes)),
        "keys": keys,
        "offsets": np.append(first, len(key)),
        **dict(zip(("concept", "rank", "flags", "cased", "folded"), rest, strict=True)),
        "cuis": np.array([cui.encode() for cui in cuis]),
    }


def _entries(
    names: Iterable[tuple[str, Sequence[str]]], withheld: float, cuis: list[str]
) -> Iterator[_Entry]:
    """Yield what the linker looks for, and list the concepts in ``cuis`` on the way."""
    for cui, synonyms in names:
        concept = len(cuis)
        cuis.append(cui)
        known = {name_key(name) for name in synonyms}
        for place, name in enumerate(synonyms):
            if not is_linkable(name):
                continue
            rank = min(place, _MAX_RANK)
            short = is_short_form(name, synonyms)
            written = name.upper() if short else name
            exact = Flag.EXACT_CASE if short or is_acronym(name) else 0
            if place and is_withheld(name, withheld):
                yield _Entry(written, concept, rank, exact | Flag.WITHHELD)
                continue
            yield _Entry(written, concept, rank, exact)
            for variant in name_variants(name):
                if name_key(variant) not in known and not is_acronym(variant):
                    yield _Entry(variant, concept, rank, Flag.VARIANT)


def _hash_entries(
    entries: Sequence[_Entry],
) -> tuple[tuple[NDArray[np.generic], ...], Hashes]:
    """Return the columns (key, concept, rank, flags, cased, folded), and the hashes on the way."""
    words = read_words([entry.text for entry in entries])
    count = np.bincount(words.text, minlength=len(entries))
    first = np.cumsum(count) - count
    key, prefixes = np.zeros(len(entries), dtype=np.uint64), []
    live = np.flatnonzero(count)
    hashes, length = words.key[first[live]], 1
    while len(live):
        mixed = mix(hashes)
        ends = count[live] == length
        key[live[ends]] = mixed[ends]
        prefixes.append(mixed[~ends])
        live, hashes = live[~ends], hashes[~ends]
        hashes = extend(hashes, words, first[live] + length)
        length += 1
    whole = np.flatnonzero(count)
    cased, folded = words.surfaces(first[whole], (first + count - 1)[whole])
    _, concept, rank, flags = zip(*(entries[i] for i in whole.tolist()), strict=True)
    columns = (
        key[whole],
        np.array(concept, dtype=np.int32),
        np.array(rank, dtype=np.uint8),
        np.array(flags, dtype=np.uint8),
        cased,
        folded,
    )
    return columns, np.concatenate(prefixes)


def _filter(ends: Hashes, goes_on: Hashes) -> NDArray[np.uint8]:
    bits = max(16, (8 * (len(ends) + len(goes_on))).bit_length() - 1)
    cells = np.zeros(1 << bits, dtype=np.uint8)
    shift = np.uint64(64 - bits)
    cells[ends >> shift] |= Cell.ENDS
    cells[goes_on >> shift] |= Cell.GOES_ON
    return cells
