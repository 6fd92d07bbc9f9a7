"""From texts to linked sentences: one concept per mention, and a count of what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

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

__all__ = ["Ambiguous", "Linker", "Unlinked", "graph_dictionary"]

Ambiguous = Literal["skip", "first", "all"]
_CHARACTERS_AT_ONCE = 500_000


@dataclass(frozen=True, slots=True)
class Unlinked:
    """A sentence to be linked; ``exclude`` is a concept that it may not be linked to."""

    document: str
    sentence: int
    text: str
    exclude: str | None = None


@dataclass
class Linker:
    """Links sentences to the names of a dictionary.

    A name of several concepts means the one that alone prefers it; where none or several do it is
    ambiguous, and left out (``"skip"``), linked to the first (``"first"``) or to all (``"all"``).
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
            for sentence, matches, hidden in zip(
                chunk, found.by_text, found.withheld.tolist(), strict=True
            ):
                self.counts["sentences"] += 1
                if hidden:
                    self.counts["sentences with a withheld name"] += 1
                else:
                    yield self._linked(sentence, matches)

    def _linked(self, sentence: Unlinked, matches: list[Match]) -> Sentence:
        mentions = tuple(
            Mention(match.start, match.end, cui)
            for match in matches
            for cui in self._meant(match)
            if cui != sentence.exclude
        )
        self.counts["mentions"] += len(mentions)
        return Sentence(sentence.document, sentence.sentence, sentence.text, mentions)

    def _meant(self, match: Match) -> tuple[str, ...]:
        if match.cui:
            return (match.cui,)
        self.counts["ambiguous names"] += 1
        return {"skip": (), "first": match.cuis[:1], "all": match.cuis}[self.ambiguous]


def graph_dictionary(
    graph: Graph, cache: Path, *, withheld: float = 0.0, reporter: Reporter = QUIET
) -> Dictionary:
    """Open the dictionary of the live graph, compiling it under ``cache`` when it is not there."""
    folder = cache / f"dictionary-{FORMAT}-{graph.version}-{withheld:g}"
    if folder.is_dir():
        return open_dictionary(folder)
    with reporter.step("Compiling the dictionary of names"):
        return compile_dictionary(
            graph.names(), folder, graph_version=graph.version, withheld=withheld
        )


def _chunks(sentences: Iterable[Unlinked]) -> Iterator[list[Unlinked]]:
    chunk: list[Unlinked] = []
    size = 0
    for sentence in sentences:
        chunk.append(sentence)
        size += len(sentence.text)
        if size >= _CHARACTERS_AT_ONCE:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
