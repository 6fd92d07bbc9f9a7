"""How well a linker finds what people marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from itertools import groupby, islice
from typing import NamedTuple

from bali_loaders.linking.engine import TextLinker
from bali_loaders.linking.linker import Linker, Unlinked
from bali_platform.text.abbreviations import documents_with_abbreviations
from bali_platform.text.corpus import Sentence

_SENTENCES_AT_ONCE = 10_000


class Score(NamedTuple):
    """Counts of items found and wanted, and what follows from them."""

    right: int
    found: int
    wanted: int

    @property
    def precision(self) -> float:
        """Share of what was found that was wanted; 0 when nothing was found."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of what was wanted that was found; 0 when nothing was wanted."""
        return self.right / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.found + self.wanted
        return 2 * self.right / total if total else 0.0


class LinkerScore(NamedTuple):
    """Exact spans, and exact spans with the right concept; micro-averaged over all sentences."""

    spans: Score
    concepts: Score


def score_linker(linker: Linker, gold: Iterable[Sentence]) -> LinkerScore:
    """Compare what ``linker`` finds with the mentions in ``gold``.

    The linker's dictionary must withhold nothing: it would drop sentences.
    """
    spans, concepts = [0, 0, 0], [0, 0, 0]
    stream = iter(gold)
    while chunk := list(islice(stream, _SENTENCES_AT_ONCE)):
        for wanted, found in zip(chunk, linker.link(_unlinked(chunk)), strict=True):
            _count(
                {(m.start, m.end) for m in found.mentions},
                {(m.start, m.end) for m in wanted.mentions},
                spans,
            )
            _count(set(found.mentions), set(wanted.mentions), concepts)
    return LinkerScore(Score(*spans), Score(*concepts))


def score_documents(linker: TextLinker, gold: Iterable[Sentence]) -> LinkerScore:
    """Compare what ``linker`` finds in whole documents with the mentions in ``gold``.

    The sentences of a document follow one another, and are joined by a space.
    """
    spans, concepts = [0, 0, 0], [0, 0, 0]
    documents = [list(own) for _, own in groupby(gold, key=lambda sentence: sentence.document)]
    texts = [" ".join(sentence.text for sentence in own) for own in documents]
    for own, linked in zip(documents, linker.link_all(texts), strict=True):
        wanted = set(_placed(own))
        found = {(m.start, m.end, m.cui) for m in linked.mentions}
        _count({span[:2] for span in found}, {span[:2] for span in wanted}, spans)
        _count(found, wanted, concepts)
    return LinkerScore(Score(*spans), Score(*concepts))


def _placed(document: list[Sentence]) -> Iterator[tuple[int, int, str]]:
    """Yield where the mentions of a document's sentences are once these are joined."""
    origin = 0
    for sentence in document:
        for m in sentence.mentions:
            yield origin + m.start, origin + m.end, m.cui
        origin += len(sentence.text) + 1


def _unlinked(sentences: Iterable[Sentence]) -> Iterator[Unlinked]:
    for parts, abbreviations in documents_with_abbreviations(sentences):
        for part in parts:
            yield Unlinked(part.document, part.sentence, part.text, abbreviations)


def _count(found: AbstractSet[object], wanted: AbstractSet[object], totals: list[int]) -> None:
    for at, count in enumerate((len(found & wanted), len(found), len(wanted))):
        totals[at] += count
