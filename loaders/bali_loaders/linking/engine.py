"""The linker of whole documents: names, abbreviations, meanings and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.choosing import Answer, Chooser
from bali_loaders.linking.context import ATTRIBUTES, find_attributes
from bali_loaders.linking.dictionary import Dictionary, Flag
from bali_loaders.linking.facts import ConceptFacts, Kind
from bali_loaders.linking.lexicon import stop_names
from bali_loaders.linking.matcher import best_entries, find_names, keys_of
from bali_loaders.linking.notes import Note, read_note
from bali_loaders.linking.options import PRESETS, LinkOptions
from bali_loaders.linking.short_forms import find_definitions, occurrences
from bali_loaders.linking.spans import Spans
from bali_loaders.linking.spelling import Spelling, open_spelling
from bali_loaders.linking.wording import Wording
from bali_loaders.linking.words import Words, chunks, read_words
from bali_platform.base.garbage import rare_collections

Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]
_CORRECTED = 0.8
"""What a corrected word leaves of a score."""
_AROUND = 100
"""Characters on both sides of such a break that are read again."""
_PARTED = re.compile(
    r"[-\xad\u200b\u2060\ufeff](?:(?<![-\xad])|(?:\r\n|[\n\r\v\f\x85\u2028\u2029])[ \t]*)"
)


class LinkedMention(NamedTuple):
    """What a document mentions at characters ``start`` to ``end`` (exclusive).

    ``alternatives`` are the CUIs of other concepts of that name, the likelier first; ``score`` is
    how sure the choice among them is, 0 to 1; ``attributes`` are those of
    :data:`~bali_loaders.linking.context.ATTRIBUTES` that hold; ``section`` is the kind of section.
    """

    start: int
    end: int
    cui: str
    name: str
    alternatives: tuple[str, ...] = ()
    score: float = 1.0
    attributes: tuple[str, ...] = ()
    section: str = ""


class Omitted(NamedTuple):
    """A name that was left out because no concept was sure enough, and its candidates."""

    start: int
    end: int
    candidates: tuple[str, ...]
    score: float


class Linked(NamedTuple):
    """What was found in one document, and what was left out."""

    mentions: list[LinkedMention]
    omitted: list[Omitted]


@dataclass(frozen=True)
class TextLinker:
    """Links documents to the concepts of a graph. Immutable: threads may share one.

    Attributes:
        dictionary: The names to look for.
        facts: What is known of their concepts; without, nothing can be chosen by type.
        options: What is linked; see :data:`~bali_loaders.linking.options.PRESETS`.
    """

    dictionary: Dictionary
    facts: ConceptFacts | None = None
    options: LinkOptions = PRESETS["literature"]

    def link(self, text: str) -> list[LinkedMention]:
        """Return what a document mentions, in reading order."""
        return self.link_all([text])[0].mentions

    def link_all(self, texts: Sequence[str]) -> list[Linked]:
        """Link several documents at once, which is faster; none knows of another."""
        with rare_collections():
            return [linked for chunk in chunks(texts, str) for linked in self._link(chunk)]

    def _link(self, texts: Sequence[str]) -> Iterator[Linked]:
        notes = [read_note(text, clinical=self.options.clinical) for text in texts]
        plain = [note.text for note in notes]
        words = read_words(plain)
        corrected = np.zeros(len(words), dtype=bool)
        if self.options.clinical:  # articles spell well, and rare substances one letter apart
            words, corrected = self._spelling.correct(words, plain)
        origins = np.cumsum([0, *(len(text) + 1 for text in texts)])
        spans = Spans.joined(self._found(notes, words, origins)).disjoint()
        _doubt(spans, origins[words.text[corrected]] + words.start[corrected])
        course = np.fromiter((a.course if a else 0 for a in spans.answer), dtype=np.uint8)
        flags = find_attributes(notes, words, origins[:-1], spans.start, spans.end, course)
        real = spans.answer.astype(bool)
        yield from self._linked(notes, origins, spans[real], flags[real])

    def _found(self, notes: list[Note], words: Words, origins: Positions) -> Iterator[Spans]:
        yield self._defined(notes, origins)
        if self.options.clinical:
            yield self._worded(words, origins)
        yield self._named(words, origins)
        yield self._parted(notes, origins.tolist())

    def _parted(self, notes: list[Note], origins: list[int]) -> Spans:
        """Read again around breaks where a word may go on: hyphens at line ends join words."""
        parts = [
            (note.text[start:end], origin + start)
            for note, origin in zip(notes, origins, strict=False)
            for start, end in _windows(note.text)
        ]
        words = read_words([_PARTED.sub(_joined, text) for text, _ in parts])
        found = self._named(words, np.array([first for _, first in parts], dtype=np.int64))
        breaks = [
            first + match.start() for text, first in parts for match in _PARTED.finditer(text)
        ]
        return found[np.searchsorted(breaks, found.start) < np.searchsorted(breaks, found.end)]

    def _named(self, words: Words, origins: Positions) -> Spans:
        """Find the dictionary's names, and choose what each means."""
        first, last, key = find_names(self.dictionary, words)
        match, entry = best_entries(self.dictionary, words, first, last, key)
        keep = self._linkable[self.dictionary.concept[entry]] & ~self._stopped[key[match]]
        keep &= (words.end[last] - words.start[first])[match] >= self.options.min_length
        keep &= self._supported(words.text[first][match], entry, keep)
        text = words.text[first]
        at, answers = self._chooser.choose(match[keep], entry[keep], text)
        start, end = origins[text] + words.start[first], origins[text] + words.end[last]
        return Spans.made(start[at], end[at], answers, 2)

    def _supported(self, text: Positions, entry: Positions, among: Flags) -> Flags:
        """Tell which names mean something here: acronyms need another name of the concept."""
        concept = self.dictionary.concept[entry].astype(np.int64)
        flags = self.dictionary.flags[entry]
        acronym = ((flags & Flag.EXACT_CASE) > 0) & (self.dictionary.rank[entry] > 0)
        asked = np.zeros(len(self.dictionary.cuis), dtype=bool)
        asked[concept[acronym]] = True
        pair = text * len(asked) + concept
        supported = ~acronym
        supported[acronym] = np.isin(pair[acronym], pair[among & ~acronym & asked[concept]])
        return supported

    def _worded(self, words: Words, origins: Positions) -> Spans:
        """Find what the shipped tables say of the words of notes."""
        first, last, answers = self._wording.find(words, self.options.stop_names)
        text = words.text[first]
        start, end = origins[text] + words.start[first], origins[text] + words.end[last]
        return Spans.made(start, end, answers, 1)

    def _defined(self, notes: list[Note], origins: Positions) -> Spans:
        """Find the abbreviations that the documents define, wherever these use them."""
        defined = [find_definitions(note.text) for note in notes]
        answers = self._answers({long for own in defined for long in own.values()})
        rows = (
            (origin + start, origin + end, answers.get(own[short]))
            for note, own, origin in zip(notes, defined, origins.tolist(), strict=False)
            if own
            for start, end, short in occurrences(own, note.text)
        )
        return Spans.of(rows, 0)

    def _answers(self, names: Iterable[str]) -> dict[str, Answer]:
        """Return what names mean that are, as a whole, the name of something."""
        asked = sorted(names)
        words = read_words(asked)
        first, last, key = find_names(self.dictionary, words)
        match, entry = best_entries(self.dictionary, words, first, last, key)
        text = words.text
        begins = np.append(True, text[1:] != text[:-1])
        keep = (begins[first] & words.last[last])[match]
        keep &= self._linkable[self.dictionary.concept[entry]]
        at, answers = self._chooser.choose(match[keep], entry[keep], text[first])
        return dict(zip((asked[place] for place in text[first[at]]), answers, strict=True))

    def _linked(
        self, notes: list[Note], origins: Positions, spans: Spans, flags: NDArray[np.uint8]
    ) -> Iterator[Linked]:
        """Put what was found into records, document by document."""
        bounds = np.searchsorted(spans.start, origins)
        origin = np.repeat(origins[:-1], np.diff(bounds))
        answers: list[Answer] = spans.answer.tolist()
        columns = (
            (spans.start - origin).tolist(),
            (spans.end - origin).tolist(),
            [answer.cui for answer in answers],
            [answer.name for answer in answers],
            [answer.alternatives for answer in answers],
            [answer.score for answer in answers],
            map(_NAMES_OF.__getitem__, flags.tolist()),
            _sections(notes, origins, spans.start),
        )
        found, least = list(map(LinkedMention, *columns)), self.options.nil
        for low, high in pairwise(bounds.tolist()):
            own = found[low:high]
            omitted = [
                Omitted(one.start, one.end, (one.cui, *one.alternatives), one.score)
                for one in own
                if one.score < least
            ]
            yield Linked([one for one in own if one.score >= least] if omitted else own, omitted)

    @cached_property
    def _chooser(self) -> Chooser:
        return Chooser(self.dictionary, self.facts)

    @cached_property
    def _spelling(self) -> Spelling:
        return open_spelling(self.dictionary.folder / "spelling")

    @cached_property
    def _linkable(self) -> Flags:
        """[concepts of the dictionary] True for those that the options let through."""
        wanted: dict[Kind, frozenset[str]] = {
            "types": self.options.types,
            "groups": self.options.groups,
            "sources": self.options.sources,
        }
        return self._chooser.having({kind: values for kind, values in wanted.items() if values})

    @cached_property
    def _stopped(self) -> Flags:
        """[keys of the dictionary] True for names that are not linked."""
        shipped = stop_names() if self.options.stops else frozenset()
        mask = np.zeros(len(self.dictionary.keys) + 1, dtype=bool)
        mask[keys_of(self.dictionary, sorted(shipped | self.options.stop_names))] = True
        return mask[:-1]

    @cached_property
    def _wording(self) -> Wording:
        return Wording.of(self._answers)


_NAMES_OF = [
    tuple(name for bit, name in enumerate(ATTRIBUTES) if flags >> bit & 1)
    for flags in range(1 << len(ATTRIBUTES))
]


def _doubt(spans: Spans, corrected: Positions) -> None:
    """Lower the scores of spans that hold words of which the spelling was corrected."""
    held = np.searchsorted(corrected, spans.start) < np.searchsorted(corrected, spans.end)
    for at in np.flatnonzero(held & spans.answer.astype(bool)).tolist():
        answer = spans.answer[at]
        spans.answer[at] = answer._replace(score=round(answer.score * _CORRECTED, 4))


def _sections(notes: list[Note], origins: Positions, start: Positions) -> list[str]:
    """Return the kind of section that each position is in, empty where it is in none."""
    kinds, begins = [], []
    for note, origin in zip(notes, origins.tolist(), strict=False):
        kinds += ["", *(heading.kind for heading in note.headings)]
        begins += [origin, *(origin + heading.start for heading in note.headings)]
    at = np.searchsorted(begins, start, side="right") - 1
    return [kinds[place] for place in at.tolist()]


def _windows(text: str) -> list[tuple[int, int]]:
    """Return the surroundings of breaks inside words, joined where they overlap."""
    windows: list[tuple[int, int]] = []
    for match in _PARTED.finditer(text):
        start, end = max(0, match.start() - _AROUND), match.end() + _AROUND
        if windows and start <= windows[-1][1]:
            start = windows.pop()[0]
        windows.append((start, end))
    return windows


def _joined(parted: re.Match[str]) -> str:
    """Put a space where a zero-width one was, and let a word go on after a hyphen."""
    return " " if len(parted[0]) == 1 else "\xad" * len(parted[0])
