"""A training corpus that every release brings along: the definitions of its concepts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from bali_loaders.corpora.sentences import split_sentences
from bali_loaders.linking.linker import Linker, Unlinked
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.graph.client import Graph
from bali_platform.text.abbreviations import find_abbreviations
from bali_platform.text.corpus import CorpusInfo, Sentence, write_corpus


def write_definitions(
    graph: Graph, linker: Linker, folder: Path, *, reporter: Reporter = QUIET
) -> CorpusInfo:
    """Write the definitions of the graph as a linked corpus named ``definitions``.

    Each sentence mentions *other* concepts than the one it defines; sentences that mention none or
    that were seen before are left out. What was left out is counted in the corpus's details.
    """
    with reporter.step("link definitions") as step:

        def rows() -> Iterator[tuple[str, str, str]]:
            for row in graph.stream("definitions"):
                step.advance()
                yield row["cui"], row["atui"], row["text"]

        return write_corpus(
            folder,
            definition_sentences(rows(), linker),
            name="definitions",
            graph_version=linker.dictionary.graph_version,
            details={"withheld": linker.dictionary.withheld, "counts": linker.counts},
        )


def definition_sentences(
    definitions: Iterable[tuple[str, str, str]], linker: Linker
) -> Iterator[Sentence]:
    """Yield the linked sentences of ``(cui, atui, text)`` definitions that mention something."""
    for sentence in linker.link(_split(definitions, linker.counts)):
        if sentence.mentions:
            yield sentence
        else:
            linker.counts["sentences without a mention"] += 1


def _split(definitions: Iterable[tuple[str, str, str]], counts: Counter[str]) -> Iterator[Unlinked]:
    seen: set[str] = set()
    for cui, atui, text in definitions:
        counts["definitions"] += 1
        abbreviations = find_abbreviations(text)
        for number, (start, end) in enumerate(split_sentences(text)):
            sentence = text[start:end]
            if sentence in seen:
                counts["repeated sentences"] += 1
                continue
            seen.add(sentence)
            yield Unlinked(atui, number, sentence, abbreviations, exclude=cui)
