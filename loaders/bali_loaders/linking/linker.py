"""From texts to linked sentences: one concept per mention, and a count of what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import compress
from operator import attrgetter
from pathlib import Path
from typing import Literal, TypeVar

from bali_loaders.linking.dictionary import (
    FORMAT,
    Dictionary,
    compile_dictionary,
    open_dictionary,
)
from bali_loaders.linking.engine import TextLinker
from bali_loaders.linking.facts import FORMAT as FACTS_FORMAT
from bali_loaders.linking.facts import compile_facts, open_facts
from bali_loaders.linking.matcher import Match, Matcher
from bali_loaders.linking.options import LinkOptions
from bali_loaders.linking.reranking import Question, Reranker
from bali_loaders.linking.words import chunks
from bali_platform.base.locks import locked
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.graph.client import Graph
from bali_platform.text.abbreviations import occurrences
from bali_platform.text.corpus import Mention, Sentence

Ambiguous = Literal["skip", "first", "all"]


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
    ambiguous, and left out (``"skip"``), linked to the first (``"first"``) or to all (``"all"``);
    or a ``reranker`` decides, by the sentence.
    An abbreviation means what its long form does, if that is a name, whatever else it may mean.
    Sentences with a withheld name are dropped, so that no training text holds one.

    Attributes:
        counts: What became of sentences and names so far.
    """

    dictionary: Dictionary
    ambiguous: Ambiguous = "skip"
    reranker: Reranker | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def link(self, sentences: Iterable[Unlinked]) -> Iterator[Sentence]:
        """Yield the sentences without withheld names, with what they mention, in order."""
        matcher = Matcher(self.dictionary)
        for chunk in chunks(sentences, attrgetter("text")):
            found = matcher.match([sentence.text for sentence in chunk])
            meanings = self._meanings(matcher, chunk)
            shown = ~found.withheld
            self.counts["sentences read"] += len(chunk)
            kept = list(compress(chunk, shown))
            if len(kept) < len(chunk):
                self.counts["sentences with a withheld name"] += len(chunk) - len(kept)
            matches = [
                self._matches(sentence, own, meanings)
                for sentence, own in zip(kept, compress(found.by_text, shown), strict=True)
            ]
            yield from self._linked(kept, matches)

    def _matches(
        self, sentence: Unlinked, matches: list[Match], meanings: Mapping[str, Match]
    ) -> list[Match]:
        spelled_out = [
            meanings[long]._replace(start=match.start(), end=match.end())
            for short, long in sentence.abbreviations.items()
            if long in meanings
            for match in occurrences(short, sentence.text)
        ]
        self.counts["abbreviations"] += len(spelled_out)
        others = [m for m in matches if not any(_overlap(m, taken) for taken in spelled_out)]
        return sorted([*spelled_out, *others])

    def _linked(self, sentences: list[Unlinked], matches: list[list[Match]]) -> Iterator[Sentence]:
        questions = [
            Question(sentence.text, sentence.text[match.start : match.end], match.cuis)
            for sentence, own in zip(sentences, matches, strict=True)
            for match in own
            if not match.cui
        ]
        answers = iter(self._answers(questions))
        for sentence, own in zip(sentences, matches, strict=True):
            mentions = tuple(
                Mention(match.start, match.end, cui)
                for match in own
                for cui in ((match.cui,) if match.cui else next(answers))
                if cui != sentence.exclude
            )
            yield Sentence(sentence.document, sentence.sentence, sentence.text, mentions)

    def _answers(self, questions: list[Question]) -> list[tuple[str, ...]]:
        if not questions:
            return []
        self.counts["ambiguous names"] += len(questions)
        if self.reranker is None:
            size = {"skip": 0, "first": 1, "all": None}[self.ambiguous]
            return [question.cuis[:size] for question in questions]
        chosen: list[tuple[str, ...]] = [
            (cui,) if cui else () for cui in self.reranker.choose(questions)
        ]
        self.counts["ambiguous names that a model decided"] += sum(map(len, chosen))
        return chosen

    def _meanings(self, matcher: Matcher, chunk: list[Unlinked]) -> dict[str, Match]:
        """Return what the long forms mean that are, as a whole, the name of something."""
        forms = sorted({long for sentence in chunk for long in sentence.abbreviations.values()})
        return {
            form: match
            for form, matches in zip(forms, matcher.match(forms).by_text, strict=True)
            for match in matches
            if (match.start, match.end) == (0, len(form))
        }


def drop_withheld(
    sentences: Iterable[Sentence], dictionary: Dictionary, counts: Counter[str]
) -> Iterator[Sentence]:
    """Yield the sentences that hold no withheld name, counting the others."""
    matcher = Matcher(dictionary)
    for chunk in chunks(sentences, attrgetter("text")):
        hidden = matcher.match([sentence.text for sentence in chunk]).withheld
        counts["sentences with a withheld name"] += int(hidden.sum())
        yield from compress(chunk, ~hidden)


def graph_dictionary(
    graph: Graph, cache: Path, *, withheld: float = 0.0, reporter: Reporter = QUIET
) -> Dictionary:
    """Open the dictionary of the live graph, compiling it under ``cache`` when it is not there."""
    folder = cache / f"dictionary-{FORMAT}-{graph.version}-{withheld:g}"

    def compile_it() -> None:
        with reporter.step("compile the dictionary of names"):
            compile_dictionary(
                graph.names(), folder, graph_version=graph.version, withheld=withheld
            )

    _once(folder, compile_it)
    return open_dictionary(folder)


def graph_linker(
    graph: Graph, cache: Path, options: LinkOptions, *, reporter: Reporter = QUIET
) -> TextLinker:
    """Make the linker of the live graph's names; what it compiles is kept under ``cache``."""
    dictionary = graph_dictionary(graph, cache, reporter=reporter)
    return TextLinker(dictionary, open_facts(graph_facts(graph, cache, reporter)), options)


def graph_facts(graph: Graph, cache: Path, reporter: Reporter = QUIET) -> Path:
    """Return the folder of what is known of the live graph's concepts, compiled where it is new."""
    folder = cache / f"facts-{FACTS_FORMAT}-{graph.version}"

    def compile_them() -> None:
        with reporter.step("compile what is known of concepts"):
            compile_facts(graph.stream("concept_facts"), folder)

    _once(folder, compile_them)
    return folder


def _once(folder: Path, compile_: Callable[[], None]) -> None:
    """Let one of several processes compile a folder, and the others wait for it."""
    if not folder.is_dir():
        with locked(folder.with_name(f".{folder.name}.lock")):
            if not folder.is_dir():
                compile_()


def _overlap(one: Match, other: Match) -> bool:
    return one.start < other.end and other.start < one.end
