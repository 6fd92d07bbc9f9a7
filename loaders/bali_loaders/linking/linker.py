"""From texts to linked sentences: one concept per mention, and a count of what was left out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from typing import Literal, TypeVar

from bali_loaders.linking.dictionary import (
    FORMAT,
    Dictionary,
    compile_dictionary,
    open_dictionary,
)
from bali_loaders.linking.matcher import Match, Matcher
from bali_platform.corpus import Mention, Sentence
from bali_platform.graph.client import Graph
from bali_platform.progress import QUIET, Reporter

__all__ = ["Ambiguous", "Linker", "Unlinked", "drop_withheld", "graph_dictionary"]

Ambiguous = Literal["skip", "first", "all"]
_CHARACTERS_AT_ONCE = 500_000


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A sentence to be linked.

    ``abbreviations`` are those that its document defines, by short form; ``exclude`` is a concept
    that it may not be linked to.
    """

    document: str
    sentence: int
    text: str
    abbreviations: Mapping[str, str] = field(default_factory=dict)
    exclude: str | None = None


Text = TypeVar("Text", Unlinked, Sentence)


@dataclass
class Linker:
    """Links sentences to the names of a dictionary.

    A name of several concepts means the one that alone prefers it; where none or several do it is
    ambiguous, and left out (``"skip"``), linked to the first (``"first"``) or to all (``"all"``).
    An abbreviation means what its long form does, if that is a name, whatever else it may mean.
    Sentences with a withheld name are dropped, so that no training text holds one.

    Attributes:
        counts: What became of sentences and names so far.
    """

    dictionary: Dictionary
    ambiguous: Ambiguous = "skip"
    counts: Counter[str] = field(default_factory=Counter)

    def link(self, sentences: Iterable[Unlinked]) -> Iterator[Sentence]:
        """Yield the sentences without withheld names, with what they mention, in order."""
        matcher = Matcher(self.dictionary)
        for chunk in _chunks(sentences):
            found = matcher.match([sentence.text for sentence in chunk])
            meanings = self._meanings(matcher, chunk)
            for sentence, matches, hidden in zip(
                chunk, found.by_text, found.withheld.tolist(), strict=True
            ):
                self.counts["sentences read"] += 1
                if hidden:
                    self.counts["sentences with a withheld name"] += 1
                else:
                    yield self._linked(sentence, matches, meanings)

    def _linked(
        self, sentence: Unlinked, matches: list[Match], meanings: Mapping[str, Match]
    ) -> Sentence:
        spelled_out = [
            meanings[long]._replace(start=match.start(), end=match.end())
            for short, long in sentence.abbreviations.items()
            if long in meanings
            for match in re.finditer(rf"(?<!\w){re.escape(short)}(?!\w)", sentence.text)
        ]
        others = [m for m in matches if not any(_overlap(m, taken) for taken in spelled_out)]
        mentions = tuple(
            Mention(match.start, match.end, cui)
            for match in sorted([*spelled_out, *others])
            for cui in self._meant(match)
            if cui != sentence.exclude
        )
        self.counts["abbreviations"] += len(spelled_out)
        return Sentence(sentence.document, sentence.sentence, sentence.text, mentions)

    def _meanings(self, matcher: Matcher, chunk: list[Unlinked]) -> dict[str, Match]:
        """Return what the long forms mean that are, as a whole, the name of something."""
        forms = sorted({long for sentence in chunk for long in sentence.abbreviations.values()})
        return {
            form: match
            for form, matches in zip(forms, matcher.match(forms).by_text, strict=True)
            for match in matches
            if (match.start, match.end) == (0, len(form))
        }

    def _meant(self, match: Match) -> tuple[str, ...]:
        if match.cui:
            return (match.cui,)
        self.counts["ambiguous names"] += 1
        return {"skip": (), "first": match.cuis[:1], "all": match.cuis}[self.ambiguous]


def drop_withheld(
    sentences: Iterable[Sentence], dictionary: Dictionary, counts: Counter[str]
) -> Iterator[Sentence]:
    """Yield the sentences that hold no withheld name, counting the others."""
    matcher = Matcher(dictionary)
    for chunk in _chunks(sentences):
        hidden = matcher.match([sentence.text for sentence in chunk]).withheld
        counts["sentences with a withheld name"] += int(hidden.sum())
        yield from compress(chunk, ~hidden)


def graph_dictionary(
    graph: Graph, cache: Path, *, withheld: float = 0.0, reporter: Reporter = QUIET
) -> Dictionary:
    """Open the dictionary of the live graph, compiling it under ``cache`` when it is not there."""
    folder = cache / f"dictionary-{FORMAT}-{graph.version}-{withheld:g}"
    if folder.is_dir():
        return open_dictionary(folder)
    with reporter.step("compile the dictionary of names"):
        return compile_dictionary(
            graph.names(), folder, graph_version=graph.version, withheld=withheld
        )


def _overlap(one: Match, other: Match) -> bool:
    return one.start < other.end and other.start < one.end


def _chunks(sentences: Iterable[Text]) -> Iterator[list[Text]]:
    chunk: list[Text] = []
    size = 0
    for sentence in sentences:
        chunk.append(sentence)
        size += len(sentence.text)
        if size >= _CHARACTERS_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
