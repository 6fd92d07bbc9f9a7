"""Documents to linked sentences: with the annotations they bring, or linked by a dictionary."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from bali_loaders.corpora.checking import checked
from bali_loaders.corpora.documents import Annotation, Document
from bali_loaders.corpora.identifiers import IdentifierMap
from bali_loaders.corpora.sentences import split_sentences
from bali_loaders.linking.linker import Linker, Unlinked
from bali_platform.text.abbreviations import find_abbreviations
from bali_platform.text.corpus import Mention, Sentence

_DOCUMENTS_AT_ONCE = 500


def annotated_sentences(
    documents: Iterable[Document], identifiers: IdentifierMap, counts: Counter[str]
) -> Iterator[Sentence]:
    """Yield every sentence of the documents, with the annotations that could be mapped."""
    stream = iter(documents)
    while chunk := [checked(d, counts) for d in islice(stream, _DOCUMENTS_AT_ONCE)]:
        identifiers.learn(a for document in chunk for a in document.annotations)
        for document in chunk:
            yield from _sentences(document, identifiers, counts)


def linked_sentences(documents: Iterable[Document], linker: Linker) -> Iterator[Sentence]:
    """Yield the sentences of the documents in which the linker finds something."""
    unlinked = (
        Unlinked(document.id, number, document.text[start:end], abbreviations)
        for document in documents
        for abbreviations in [find_abbreviations(document.text)]
        for number, (start, end) in enumerate(split_sentences(document.text))
    )
    for sentence in linker.link(unlinked):
        if sentence.mentions:
            yield sentence
        else:
            linker.counts["sentences without a mention"] += 1


def _sentences(
    document: Document, identifiers: IdentifierMap, counts: Counter[str]
) -> Iterator[Sentence]:
    spans = split_sentences(document.text)
    starts = [start for start, _ in spans]
    mentions: list[list[Mention]] = [[] for _ in spans]
    for annotation in sorted(document.annotations, key=lambda a: (a.start, a.end)):
        at = bisect_right(starts, annotation.start) - 1
        if at < 0 or annotation.end > spans[at][1]:
            counts["annotations across sentences"] += 1
        else:
            mentions[at] += _mentions(annotation, starts[at], identifiers)
    for number, (start, end) in enumerate(spans):
        counts["sentences read"] += 1
        text = document.text[start:end]
        yield Sentence(document.id, number, text, tuple(dict.fromkeys(mentions[number])))


def _mentions(annotation: Annotation, origin: int, identifiers: IdentifierMap) -> list[Mention]:
    start, end = annotation.start - origin, annotation.end - origin
    return [Mention(start, end, cui) for cui in identifiers.cuis(annotation)]
