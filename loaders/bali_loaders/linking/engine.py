"""The linker of whole documents: names, abbreviations, meanings and what is said of them."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.choosing import Answer, Chooser
from bali_loaders.linking.context import ATTRIBUTES, find_attributes
from bali_loaders.linking.dictionary import Dictionary, Flag, phrase_dictionary
from bali_loaders.linking.facts import ConceptFacts, Kind
from bali_loaders.linking.lexicon import Sense, senses, stop_names
from bali_loaders.linking.matcher import best_entries, find_names
from bali_loaders.linking.notes import Note, read_note
from bali_loaders.linking.options import PRESETS, LinkOptions
from bali_loaders.linking.words import Words, chunks, read_words
from bali_platform.text.abbreviations import find_abbreviations

Positions = NDArray[np.int64]
Flags = NDArray[np.bool_]
_WORD = re.compile(r"[a-z0-9][a-z0-9-]*")
_RUN = re.compile(r"[^\W_]+")
_AROUND = 100
"""Characters on both sides of such a break that are read again."""
_PARTED = re.compile(r"[\u200b\u2060\ufeff]|[-\xad](?:\r\n|[\n\r\v\f\x85\u2028\u2029])[ \t]*")


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


class _Span(NamedTuple):
    """A name at positions of all documents joined; earlier ``priority`` wins where spans tie."""

    start: int
    end: int
    priority: int
    answer: Answer | None


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
        return [linked for chunk in chunks(texts, str) for linked in self._link(chunk)]

    def _link(self, texts: Sequence[str]) -> Iterator[Linked]:
        notes = [read_note(text, clinical=self.options.clinical) for text in texts]
        words = read_words([note.text for note in notes])
        origins = np.cumsum([0, *(len(text) + 1 for text in texts)])[:-1]
        spans = self._found(notes, words, origins)
        spans += self._found_parted(notes, origins.tolist())
        spans = _disjoint(spans)
        start = np.array([span.start for span in spans], dtype=np.int64)
        end = np.array([span.end for span in spans], dtype=np.int64)
        course = np.array([self._course(span.answer) for span in spans], dtype=np.uint8)
        flags = find_attributes(notes, words, origins, start, end, course)
        bounds = np.searchsorted(start, np.append(origins, np.iinfo(np.int64).max)).tolist()
        for at, note in enumerate(notes):
            low, high = bounds[at], bounds[at + 1]
            yield self._linked(note, int(origins[at]), spans[low:high], flags[low:high].tolist())

    def _found_parted(self, notes: list[Note], origins: list[int]) -> list[_Span]:
        """Read again around breaks where a word may go on: hyphens at line ends join words."""
        parts = [
            (note.text[start:end], origin + start)
            for note, origin in zip(notes, origins, strict=True)
            for start, end in _windows(note.text)
        ]
        if not parts:
            return []
        words = read_words([_PARTED.sub(_joined, text) for text, _ in parts])
        found = self._named(words, np.array([first for _, first in parts], dtype=np.int64))
        breaks = [
            first + match.start() for text, first in parts for match in _PARTED.finditer(text)
        ]
        return [
            span
            for span in found
            if bisect_left(breaks, span.start) < bisect_left(breaks, span.end)
        ]

    def _found(self, notes: list[Note], words: Words, origins: Positions) -> list[_Span]:
        defined = [_definitions(note.text) for note in notes]
        spans = self._defined(notes, defined, origins)
        if self.options.clinical:
            spans += self._worded(notes, words, origins)
        return spans + self._named(words, origins)

    def _named(self, words: Words, origins: Positions) -> list[_Span]:
        """Find the dictionary's names, and choose what each means."""
        first, last, key = find_names(self.dictionary, words)
        match, entry = best_entries(self.dictionary, words, first, last, key)
        keep = self._linkable[self.dictionary.concept[entry]] & ~self._stopped[key[match]]
        keep &= (words.end[last] - words.start[first])[match] >= self.options.min_length
        keep &= self._supported(words.text[first][match], entry, keep)
        match, entry = match[keep], entry[keep]
        text = words.text[first]
        candidates = _grouped(match, self.dictionary.concept[entry], self.dictionary.rank[entry])
        mentioned = _mentioned(candidates, text.tolist())
        start = (origins[text] + words.start[first]).tolist()
        end = (origins[text] + words.end[last]).tolist()
        return [
            _Span(start[at], end[at], 2, self._chooser.choose(own, mentioned[int(text[at])]))
            for at, own in candidates
        ]

    def _supported(self, text: Positions, entry: Positions, among: Flags) -> Flags:
        """Tell which names mean something here: acronyms need another name of the concept."""
        concept = self.dictionary.concept[entry].astype(np.int64)
        flags = self.dictionary.flags[entry]
        acronym = ((flags & Flag.EXACT_CASE) > 0) & (self.dictionary.rank[entry] > 0)
        pair = text * len(self.dictionary.cuis) + concept
        supported: Flags = ~acronym | np.isin(pair, pair[among & ~acronym])
        return supported

    def _worded(self, notes: list[Note], words: Words, origins: Positions) -> list[_Span]:
        """Find what the shipped tables say of the words of notes."""
        first, last, key = find_names(self._table, words)
        asked = ~_keys_of(self._table, self.options.stop_names)[key]
        first, last, key = first[asked], last[asked], key[asked]
        match, entry = best_entries(self._table, words, first, last, key)
        documents = [_Words(note.text) for note in notes]
        text = words.text[first[match]]
        start = (origins[text] + words.start[first[match]]).tolist()
        end = (origins[text] + words.end[last[match]]).tolist()
        phrases = self._table.concept[entry].tolist()
        return [
            _Span(low, high, 1, answer)
            for low, high, place, phrase in zip(start, end, text.tolist(), phrases, strict=True)
            for answer in self._meaning(phrase, documents[place])
        ]

    def _meaning(self, phrase: int, document: _Words) -> list[Answer | None]:
        """Return the first sense whose words the document has, if there is one."""
        for support, answer in self._senses[phrase]:
            if not support or document.has(support):
                return [answer]
        return []

    def _defined(
        self, notes: list[Note], defined: list[dict[str, str]], origins: Positions
    ) -> list[_Span]:
        """Find the abbreviations that the documents define, wherever these use them."""
        answers = self._answers({long for own in defined for long in own.values()})
        return [
            _Span(origin + start, origin + end, 0, answers.get(own[short]))
            for note, own, origin in zip(notes, defined, origins.tolist(), strict=True)
            if own
            for start, end, short in _occurrences(own, note.text)
        ]

    def _answers(self, names: Iterable[str]) -> dict[str, Answer]:
        """Return what names mean that are, as a whole, the name of something."""
        asked = sorted(names)
        if not asked:
            return {}
        words = read_words(asked)
        first, last, key = find_names(self.dictionary, words)
        match, entry = best_entries(self.dictionary, words, first, last, key)
        text = words.text
        begins = np.append(True, text[1:] != text[:-1])
        keep = (begins[first] & words.last[last])[match] & self._linkable[
            self.dictionary.concept[entry]
        ]
        concept, rank = self.dictionary.concept[entry], self.dictionary.rank[entry]
        return {
            asked[int(text[first[at]])]: self._chooser.choose(own, frozenset())
            for at, own in _grouped(match[keep], concept[keep], rank[keep])
        }

    def _linked(self, note: Note, origin: int, spans: list[_Span], flags: list[int]) -> Linked:
        heads = [heading.start for heading in note.headings]
        mentions, omitted = [], []
        for span, flag in zip(spans, flags, strict=True):
            start, end, answer = span.start - origin, span.end - origin, span.answer
            if answer is None:
                continue
            others = tuple(map(self._chooser.cui, answer.alternatives))
            if answer.score < self.options.nil:
                omitted.append(
                    Omitted(start, end, (self._chooser.cui(answer.concept), *others), answer.score)
                )
                continue
            at = bisect_right(heads, start) - 1
            mentions.append(
                LinkedMention(
                    start,
                    end,
                    self._chooser.cui(answer.concept),
                    self._chooser.name(answer.concept),
                    others,
                    answer.score,
                    _NAMES_OF[flag],
                    note.headings[at].kind if at >= 0 else "",
                )
            )
        return Linked(mentions, omitted)

    def _course(self, answer: Answer | None) -> int:
        return self._chooser.course(answer.concept) if answer else 0

    @cached_property
    def _chooser(self) -> Chooser:
        return Chooser(self.dictionary, self.facts)

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
        return _keys_of(self.dictionary, shipped | self.options.stop_names)

    @cached_property
    def _table(self) -> Dictionary:
        return phrase_dictionary(list(senses()))

    @cached_property
    def _senses(self) -> list[list[tuple[tuple[str, ...], Answer | None]]]:
        """[phrases] their senses; those of which the graph has no name mean nothing."""
        every = list(senses().values())
        answers = self._answers({n for own in every for sense in own for n in sense.names})
        return [[(sense.support, _first(sense, answers)) for sense in own] for own in every]


class _Words:
    """The words of a document, read when they are asked for."""

    def __init__(self, text: str) -> None:
        self._text = text

    def has(self, support: Iterable[str]) -> bool:
        """Tell whether the document holds one of some words, in lower case."""
        return not self._all.isdisjoint(support)

    @cached_property
    def _all(self) -> frozenset[str]:
        return frozenset(_WORD.findall(self._text.lower()))


_NAMES_OF = [
    tuple(name for bit, name in enumerate(ATTRIBUTES) if flags >> bit & 1)
    for flags in range(1 << len(ATTRIBUTES))
]


def _keys_of(dictionary: Dictionary, names: frozenset[str]) -> Flags:
    """Tell which of a dictionary's keys, [K], some names have."""
    keys = np.zeros(len(dictionary.keys), dtype=bool)
    if names:
        words = read_words(sorted(names))
        first, last, key = find_names(dictionary, words)
        begins = np.append(True, words.text[1:] != words.text[:-1])
        keys[key[begins[first] & words.last[last]]] = True
    return keys


def _first(sense: Sense, answers: Mapping[str, Answer]) -> Answer | None:
    return next((answers[name] for name in sense.names if name in answers), None)


def _grouped(
    match: Positions, concept: NDArray[np.int32], rank: NDArray[np.uint8]
) -> list[tuple[int, tuple[tuple[int, int], ...]]]:
    """Return for each match its (concept, best rank) pairs."""
    found: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for at, own, place in zip(match.tolist(), concept.tolist(), rank.tolist(), strict=True):
        found[at].setdefault(own, place)
    return [(at, tuple(pairs.items())) for at, pairs in found.items()]


def _mentioned(
    candidates: list[tuple[int, tuple[tuple[int, int], ...]]], text: list[int]
) -> defaultdict[int, frozenset[int]]:
    """Return what each text mentions beyond doubt."""
    found: defaultdict[int, set[int]] = defaultdict(set)
    for at, own in candidates:
        if len(own) == 1:
            found[text[at]].add(own[0][0])
    return defaultdict(frozenset, {place: frozenset(own) for place, own in found.items()})


def _definitions(text: str) -> dict[str, str]:
    """Return what a document defines, plurals of its short forms included."""
    own = find_abbreviations(text)
    singular = {short[:-1]: long for short, long in own.items() if short.endswith("s")}
    plural = {f"{short}s": long for short, long in own.items()}
    return {**singular, **plural, **own} if own else own


def _occurrences(shorts: Iterable[str], text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where short forms stand as words of their own."""
    by_run: defaultdict[str, list[str]] = defaultdict(list)
    for short in sorted(shorts, key=len, reverse=True):
        if run := _RUN.search(short):
            by_run[run[0]].append(short)
    for run in _RUN.finditer(text):
        for short in by_run.get(run[0], ()):
            start = run.start()
            end = start + len(short)
            if text.startswith(short, start) and not text[end : end + 1].isalnum():
                yield start, end, short
                break


def _disjoint(spans: list[_Span]) -> list[_Span]:
    """Choose from left to right the longest span that starts first, none overlapping."""
    chosen, free = [], -1
    for span in sorted(spans, key=lambda span: (span.start, -span.end, span.priority)):
        if span.start >= free:
            chosen.append(span)
            free = span.end
    return chosen


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
