"""The linker of whole documents: names, abbreviations, meanings and what is said of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bali_loaders.linking.choosing import Answer, Chooser
from bali_loaders.linking.context import ATTRIBUTES, find_attributes
from bali_loaders.linking.dictionary import Dictionary, Flag
from bali_loaders.linking.facts import ConceptFacts, Kind
from bali_loaders.linking.joined import LINE_BREAKS, Flags, Joined, Positions
from bali_loaders.linking.lexicon import stop_names
from bali_loaders.linking.matcher import best_entries, find_names, keys_of
from bali_loaders.linking.notes import Notes, read_notes
from bali_loaders.linking.options import PRESETS, LinkOptions
from bali_loaders.linking.short_forms import find_definitions, occurrences
from bali_loaders.linking.spans import Spans
from bali_loaders.linking.spelling import Spelling, open_spelling
from bali_loaders.linking.wording import Wording
from bali_loaders.linking.words import Words, chunks, read_words
from bali_platform.base.garbage import rare_collections

_CORRECTED = 0.8
"""What a corrected word leaves of a score."""
_AROUND = 100
"""Characters on both sides of such a break that are read again."""
_PARTED = re.compile(
    r"[-\xad\u200b\u2060\ufeff](?:(?<![-\xad])|(?:\r\n|[\n\r\v\f\x85\u2028\u2029])[ \t]*)"
)
_NO_SPACES = "\u200b\u2060\ufeff"


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


class Decider(Protocol):
    """Chooses anew among the concepts that names may mean, by what only it knows."""

    def __call__(
        self, texts: Sequence[str], found: Sequence[list[LinkedMention]]
    ) -> Sequence[list[LinkedMention]]:
        """Return the mentions of each document, in the same places."""


DeciderSource = Callable[[], Decider]
"""Makes a decider in whatever process needs one."""


@dataclass(frozen=True)
class TextLinker:
    """Links documents to the concepts of a graph. Immutable: threads may share one.

    Attributes:
        dictionary: The names to look for.
        facts: What is known of their concepts; without, nothing can be chosen by type.
        options: What is linked; see :data:`~bali_loaders.linking.options.PRESETS`.
        decider: Has the last word on what names of several concepts mean, if there is one.
    """

    dictionary: Dictionary
    facts: ConceptFacts | None = None
    options: LinkOptions = PRESETS["literature"]
    decider: Decider | None = None

    def link(self, text: str) -> list[LinkedMention]:
        """Return what a document mentions, in reading order."""
        return self.link_all([text])[0].mentions

    def link_all(self, texts: Sequence[str]) -> list[Linked]:
        """Link several documents at once, which is faster; none knows of another."""
        with rare_collections():
            return [linked for chunk in chunks(texts, str) for linked in self._link(chunk)]

    def _link(self, texts: Sequence[str]) -> Iterator[Linked]:
        found = list(self._found_in(texts))
        for own in self.decider(texts, found) if self.decider else found:
            yield self._parted_by_doubt(own)

    def _found_in(self, texts: Sequence[str]) -> Iterator[list[LinkedMention]]:
        notes = read_notes(texts, clinical=self.options.clinical)
        words = read_words(notes.plain)
        corrected = np.zeros(len(words), dtype=bool)
        if self.options.clinical:  # articles spell well, and rare substances one letter apart
            words, corrected = self._spelling.correct(words)
        spans = Spans.joined(self._found(notes.plain, words))
        spans = spans[~_across_items(notes.plain, spans)].disjoint()
        _doubt(spans, words.start[corrected])
        real, course = spans.answer.astype(bool), np.zeros(len(spans), dtype=np.uint8)
        course[real] = [answer.course for answer in spans.answer[real]]
        flags = find_attributes(notes, words, spans.start, spans.end, course)
        yield from self._records(notes, spans[real], flags[real])

    def _found(self, plain: Joined, words: Words) -> Iterator[Spans]:
        yield self._defined(plain)
        if self.options.clinical:
            yield self._worded(words)
        yield self._named(words)
        yield self._parted(plain)

    def _parted(self, plain: Joined) -> Spans:
        """Read again around breaks where a word may go on: hyphens at line ends join words."""
        breaks = np.array([found.start() for found in _breaks(plain)], dtype=np.int64)
        start, end = _windows(plain, breaks)
        parts = [
            plain.text[low:high] for low, high in zip(start.tolist(), end.tolist(), strict=True)
        ]
        words = read_words([_PARTED.sub(_joined, part) for part in parts])
        found = self._named(words)
        shift = start - words.joined.origins[:-1]
        shift = shift[words.joined.document(found.start)]
        found = replace(found, start=found.start + shift, end=found.end + shift)
        return found[np.searchsorted(breaks, found.start) < np.searchsorted(breaks, found.end)]

    def _named(self, words: Words) -> Spans:
        """Find the dictionary's names, and choose what each means."""
        first, last, key = find_names(self.dictionary, words)
        wanted = ~self._stopped[key]
        wanted &= words.end[last] - words.start[first] >= self.options.min_length
        first, last, key = first[wanted], last[wanted], key[wanted]
        match, entry = best_entries(self.dictionary, words, first, last, key)
        keep = self._linkable[self.dictionary.concept[entry]]
        keep &= ~self._foreign[key[match]] | (self.dictionary.rank[entry] == 0)
        text = words.text[first]
        keep &= self._supported(text[match], entry, keep)
        at, answers = self._chooser.choose(match[keep], entry[keep], text)
        return Spans.made(words.start[first[at]], words.end[last[at]], answers, 2)

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

    def _worded(self, words: Words) -> Spans:
        """Find what the shipped tables say of the words of notes."""
        first, last, answers = self._wording.find(words, self.options.stop_names)
        return Spans.made(words.start[first], words.end[last], answers, 1)

    def _defined(self, plain: Joined) -> Spans:
        """Find the abbreviations that the documents define, wherever these use them."""
        texts = list(plain.documents())
        defined = [find_definitions(text) for text in texts]
        longs = {long for own in defined for long in own.values()}
        answers = self._answers(longs, self._linkable)
        rows = (
            (origin + start, origin + end, answers.get(own[short]))
            for text, own, origin in zip(texts, defined, plain.origins.tolist(), strict=False)
            if own
            for start, end, short in occurrences(own, text)
        )
        return Spans.of(rows, 0)

    def _answers(self, names: Iterable[str], linkable: Flags) -> dict[str, Answer]:
        """Return what names mean that are, as a whole, the name of something ``linkable``."""
        asked = sorted(names)
        words = read_words(asked)
        first, last, key = find_names(self.dictionary, words)
        match, entry = best_entries(self.dictionary, words, first, last, key)
        text = words.text
        begins = np.append(True, text[1:] != text[:-1])
        keep = (begins[first] & words.last[last])[match]
        keep &= linkable[self.dictionary.concept[entry]]
        at, answers = self._chooser.choose(match[keep], entry[keep], text[first])
        return dict(zip((asked[place] for place in text[first[at]]), answers, strict=True))

    @staticmethod
    def _records(
        notes: Notes, spans: Spans, flags: NDArray[np.uint8]
    ) -> Iterator[list[LinkedMention]]:
        """Put what was found into records, document by document."""
        origins = notes.plain.origins
        bounds = np.searchsorted(spans.start, origins)
        origin = np.repeat(origins[:-1], np.diff(bounds))
        answers: list[Answer] = spans.answer.tolist()
        cui, name, alternatives, score, _ = zip(*answers, strict=True) if answers else ((),) * 5
        columns = (
            (spans.start - origin).tolist(),
            (spans.end - origin).tolist(),
            cui,
            name,
            alternatives,
            score,
            map(_NAMES_OF.__getitem__, flags.tolist()),
            _sections(notes, origin, spans.start),
        )
        # As LinkedMention._make does, without a call in Python for each.
        found = list(map(partial(tuple.__new__, LinkedMention), zip(*columns, strict=True)))
        yield from (found[low:high] for low, high in pairwise(bounds.tolist()))

    def _parted_by_doubt(self, found: list[LinkedMention]) -> Linked:
        nil = self.options.nil
        if not nil or all(one.score >= nil for one in found):
            return Linked(found, [])
        omitted = [
            Omitted(one.start, one.end, (one.cui, *one.alternatives), one.score)
            for one in found
            if one.score < nil
        ]
        return Linked([one for one in found if one.score >= nil], omitted)

    @cached_property
    def _chooser(self) -> Chooser:
        return Chooser(self.dictionary, self.facts)

    @cached_property
    def _spelling(self) -> Spelling:
        return open_spelling(self.dictionary.folder / "spelling")

    @cached_property
    def _linkable(self) -> Flags:
        """[concepts of the dictionary] True for those that the options let through."""
        return self._having(self.options)

    def _having(self, options: LinkOptions) -> Flags:
        wanted: dict[Kind, frozenset[str]] = {
            "types": options.types,
            "groups": options.groups,
            "sources": options.sources,
        }
        return self._chooser.having({kind: values for kind, values in wanted.items() if values})

    @cached_property
    def _foreign(self) -> Flags:
        """[keys of the dictionary] True for preferred names of what the options leave out.

        "Lung" is one of the names of lung neoplasms, but it means the organ.
        """
        own = self.dictionary
        out = (own.rank == 0) & ((own.flags & Flag.EXACT_CASE) == 0) & ~self._linkable[own.concept]
        mask = np.zeros(len(own.keys), dtype=bool)
        mask[np.searchsorted(own.offsets, np.flatnonzero(out), side="right") - 1] = True
        return mask

    @cached_property
    def _stopped(self) -> Flags:
        """[keys of the dictionary] True for names that are not linked."""
        shipped = stop_names() if self.options.stops else frozenset()
        mask = np.zeros(len(self.dictionary.keys) + 1, dtype=bool)
        mask[keys_of(self.dictionary, sorted(shipped | self.options.stop_names))] = True
        return mask[:-1]

    @cached_property
    def _wording(self) -> Wording:
        """What the tables name is linked whatever its group, unless a user chose groups."""
        options = self.options
        if options.groups == PRESETS["clinical"].groups:
            options = replace(options, groups=frozenset())
        return Wording.of(partial(self._answers, linkable=self._having(options)))


_NAMES_OF = [
    tuple(name for bit, name in enumerate(ATTRIBUTES) if flags >> bit & 1)
    for flags in range(1 << len(ATTRIBUTES))
]


def _across_items(plain: Joined, spans: Spans) -> Flags:
    """Tell which spans take items of a list for a name: "fracture, rib" before "fractures".

    Of what such a span holds after its last comma, another name goes on beyond it. None holds what
    parts blocks or the cells of a table.
    """
    commas = np.append(-1, plain.at(","))
    comma = commas[np.searchsorted(commas, spans.end) - 1]
    order = np.argsort(spans.start)
    start, end = spans.start[order], spans.end[order]
    borders = plain.at("\0")
    across = np.searchsorted(borders, spans.start) < np.searchsorted(borders, spans.end)
    for at in np.flatnonzero(comma > spans.start).tolist():
        low, high = np.searchsorted(start, [comma[at], spans.end[at]])
        across[at] = (end[low:high] > spans.end[at]).any()
    return across


def _doubt(spans: Spans, corrected: Positions) -> None:
    """Lower the scores of spans that hold words of which the spelling was corrected."""
    held = np.searchsorted(corrected, spans.start) < np.searchsorted(corrected, spans.end)
    for at in np.flatnonzero(held & spans.answer.astype(bool)).tolist():
        answer = spans.answer[at]
        spans.answer[at] = answer._replace(score=round(answer.score * _CORRECTED, 4))


def _sections(notes: Notes, origin: Positions, start: Positions) -> list[str]:
    """Return the kind of section that each position is in, empty where it is in none.

    ``origin`` is where the document of each begins.
    """
    headings = notes.headings
    at = np.searchsorted(headings.start, start, side="right") - 1
    at[np.append(headings.start, -1)[at] < origin] = -1
    kinds = (*headings.kind, "")
    return [kinds[place] for place in at.tolist()]


def _breaks(plain: Joined) -> Iterator[re.Match[str]]:
    hyphens = plain.at("-\xad")
    hyphens = hyphens[plain.has(LINE_BREAKS, hyphens + 1)]
    marks = np.concatenate([hyphens, *map(plain.at, _NO_SPACES)])
    return plain.matches(_PARTED, np.sort(marks))


def _windows(plain: Joined, breaks: Positions) -> tuple[Positions, Positions]:
    """Return the surroundings of breaks inside words, joined where they overlap."""
    document = plain.document(breaks)
    start = np.maximum(breaks - _AROUND, plain.origins[document])
    end = np.minimum(breaks + 1 + _AROUND, plain.origins[document + 1] - 1)
    apart = start[1:] > end[:-1]
    begins, stops = np.ones(len(breaks), dtype=bool), np.ones(len(breaks), dtype=bool)
    begins[1:], stops[:-1] = apart, apart
    return start[begins], end[stops]


def _joined(parted: re.Match[str]) -> str:
    """Put a space where a zero-width one was, and let a word go on after a hyphen."""
    return " " if len(parted[0]) == 1 else "\xad" * len(parted[0])
