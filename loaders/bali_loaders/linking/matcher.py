"""Finding the names of a dictionary in text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.dictionary import Cell, Dictionary, Flag, extend
from bali_loaders.linking.words import Words, read_words
from bali_platform.base.consecutive import spell_out
from bali_platform.base.mixing import mix

Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]
Overlaps = Literal["longest", "all"]


class Match(NamedTuple):
    """A name found in a text: characters ``start`` to ``end`` (exclusive) may mean ``cuis``.

    ``cuis`` are in order of how high the concept ranks that name, then of CUI; ``preferred`` says
    how many of them, from the first, have it as their preferred name.
    """

    start: int
    end: int
    cuis: tuple[str, ...]
    preferred: int

    @property
    def cui(self) -> str | None:
        """The concept, if there is one or if one alone prefers the name; None when ambiguous."""
        return self.cuis[0] if len(self.cuis) == 1 or self.preferred == 1 else None


@dataclass(frozen=True)
class Matches:
    """What was found in some texts, M names in reading order, as columns.

    Attributes:
        text: [M] text a name is in.
        start: [M] its first character there.
        end: [M] the character after its last.
        offsets: [M + 1] where the candidates of each name begin.
        concept: [E] candidates: indices into ``cuis``, best rank first.
        preferred: [M] how many of them have it as their preferred name.
        withheld: [texts] True where a text holds a withheld name, whatever it overlaps with.
        cuis: [C] concepts, as bytes.
    """

    text: Indices
    start: Indices
    end: Indices
    offsets: Indices
    concept: NDArray[np.int32]
    preferred: Indices
    withheld: NDArray[np.bool_]
    cuis: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.text)

    @cached_property
    def by_text(self) -> list[list[Match]]:
        """The matches of each text."""
        cuis = [cui.decode() for cui in self.cuis[self.concept].tolist()]
        by_text: list[list[Match]] = [[] for _ in self.withheld]
        bounds = self.offsets[:-1], self.offsets[1:]
        columns = (self.text, self.start, self.end, *bounds, self.preferred)
        for text, start, end, low, high, top in zip(*(c.tolist() for c in columns), strict=True):
            by_text[text].append(Match(start, end, tuple(cuis[low:high]), top))
        return by_text


class Matcher:
    """Matches a dictionary's names on whole words.

    A name that is written as it stands beats one that differs in case, and that one those that
    agree only once normalised: only concepts of the best kind are candidates. Acronyms must be
    written as they stand. With ``overlaps="longest"`` the leftmost, then longest name wins and
    nothing inside it is reported; with ``"all"`` every name is.
    """

    def __init__(self, dictionary: Dictionary, *, overlaps: Overlaps = "longest") -> None:
        self.dictionary = dictionary
        self._overlaps = overlaps

    def match(self, texts: Sequence[str]) -> Matches:
        """Find all names in all texts."""
        words = read_words(texts)
        first, last, key = find_names(self.dictionary, words)
        match, entry = best_entries(self.dictionary, words, first, last, key)
        withheld = (self.dictionary.flags[entry] & Flag.WITHHELD) > 0
        allowed = np.zeros(len(first), dtype=bool)
        allowed[match[~withheld]] = True
        hidden = np.zeros(len(texts), dtype=bool)
        hidden[words.text[first[match[withheld & ~allowed[match]]]]] = True
        chosen = np.flatnonzero(allowed)
        if self._overlaps == "longest":
            chosen = leftmost_longest(first, last, chosen)
        number = np.full(len(first), -1)
        number[chosen] = np.arange(len(chosen))
        keep = (number[match] >= 0) & ~withheld
        match, concept, rank = ranked(
            number[match[keep]],
            self.dictionary.concept[entry[keep]],
            self.dictionary.rank[entry[keep]],
        )
        text = words.text[first[chosen]]
        origin = words.joined.origins[text]
        return Matches(
            text=text,
            start=words.start[first[chosen]] - origin,
            end=words.end[last[chosen]] - origin,
            offsets=np.searchsorted(match, np.arange(len(chosen) + 1)),
            concept=concept,
            preferred=np.bincount(match[rank == 0], minlength=len(chosen)),
            withheld=hidden,
            cuis=self.dictionary.cuis,
        )


def find_names(dictionary: Dictionary, words: Words) -> tuple[Indices, Indices, Indices]:
    """Return first word, last word and key of every name, by (first, last) ascending."""
    start = np.flatnonzero(words.opens)
    hashes, end = words.key[start], start
    found: list[tuple[Indices, Indices, Indices]] = []
    while len(start):
        mixed = mix(hashes)
        cells = dictionary.cells(mixed)
        ends = np.flatnonzero((cells & Cell.ENDS).astype(bool) & words.closes[end])
        key = dictionary.find(mixed[ends])
        hit = ends[key >= 0]
        found.append((start[hit], end[hit], key[key >= 0]))
        on = np.flatnonzero((cells & Cell.GOES_ON).astype(bool) & ~words.last[end])
        start, end = start[on], end[on] + 1
        hashes = extend(hashes[on], words, end)
    if not found:
        return (np.empty(0, dtype=np.int64),) * 3
    first, last, keys = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.lexsort((last, first))
    return first[order], last[order], keys[order]


def keys_of(dictionary: Dictionary, names: Sequence[str]) -> Indices:
    """Return the key that each name has as a whole, [names]; -1 where it has none."""
    words = read_words(names)
    first, last, key = find_names(dictionary, words)
    begins = np.append(True, words.text[1:] != words.text[:-1])
    whole = begins[first] & words.last[last]
    keys = np.full(len(names), -1)
    keys[words.text[first[whole]]] = key[whole]
    return keys


def best_entries(
    dictionary: Dictionary, words: Words, first: Indices, last: Indices, key: Indices
) -> tuple[Indices, Indices]:
    """Return (match, entry) pairs: for each match the entries that agree with it best."""
    begin = dictionary.offsets[key]
    match, entry = spell_out(begin, dictionary.offsets[key + 1] - begin)
    cased, folded = words.surfaces(first, last)
    flags = dictionary.flags[entry]
    same = dictionary.cased[entry] == cased[match]
    alike = dictionary.folded[entry] == folded[match]
    written = (flags & Flag.VARIANT) == 0
    # A withheld synonym counts as one with its case variants: another concept may prefer those.
    withheld = (flags & Flag.WITHHELD) > 0
    tier = np.select([same & written & ~withheld, alike & written], [0, 1], default=2)
    tier[((flags & Flag.EXACT_CASE) > 0) & (tier > 0)] = 3
    best = np.full(len(key), 3)
    np.minimum.at(best, match, tier)
    keep = (tier == best[match]) & (tier < 3)
    return match[keep], entry[keep]


def ranked(
    match: Indices, concept: NDArray[np.int32], rank: NDArray[np.uint8]
) -> tuple[Indices, NDArray[np.int32], NDArray[np.uint8]]:
    """Keep the best rank of each (match, concept), and sort the concepts of a match by it.

    Entries of a match come by (concept, rank), as the dictionary stores them.
    """
    new = np.ones(len(match), dtype=bool)
    new[1:] = (match[1:] != match[:-1]) | (concept[1:] != concept[:-1])
    match, concept, rank = match[new], concept[new], rank[new]
    order = np.argsort((match << 40) | (rank.astype(np.int64) << 32) | concept, kind="stable")
    return match[order], concept[order], rank[order]


def leftmost_longest(first: Indices, last: Indices, among: Indices) -> Indices:
    """Choose matches from left to right, the longest that starts first, none overlapping."""
    # They come by (first, last): the last of a run with the same first word is its longest.
    longest = among[np.append(np.diff(first[among]) > 0, True)[: len(among)]]
    chosen: Indices = longest[leftmost(first[longest], last[longest] + 1)]
    return chosen


def leftmost(start: Indices, end: Indices) -> Flags:
    """Choose spans from left to right, none overlapping; they come by ascending ``start``."""
    reach = np.maximum.accumulate(np.append(0, end))[:-1]
    chosen: Flags = start >= reach
    group = np.maximum.accumulate(np.where(chosen, np.arange(len(start)), 0))
    others = np.flatnonzero(~chosen)
    last, free = -1, 0
    columns = (others, group[others], end[group[others]], start[others], end[others])
    for at, own, first_end, low, high in zip(*(c.tolist() for c in columns), strict=True):
        if own != last:
            last, free = own, first_end
        if low >= free:
            chosen[at] = True
            free = high
    return chosen
