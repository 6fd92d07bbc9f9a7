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
from bali_loaders.linking.engine import Linked, TextLinker
from bali_loaders.linking.linker import Linker, Unlinked
from bali_platform.text.abbreviations import find_abbreviations
from bali_platform.text.corpus import Mention, Omission, Sentence

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


def document_sentences(
    documents: Iterable[Document], linker: TextLinker, counts: Counter[str]
) -> Iterator[Sentence]:
    """Yield the sentences in which the linker, which reads whole documents, finds something."""
    stream = iter(documents)
    while chunk := list(islice(stream, _DOCUMENTS_AT_ONCE)):
        linked = linker.link_all([document.text for document in chunk])
        for document, found in zip(chunk, linked, strict=True):
            counts["mentions of several concepts"] += sum(
                bool(m.alternatives) for m in found.mentions
            )
            counts["names left out"] += len(found.omitted)
            for sentence in _cut(document, found):
                counts["sentences read"] += 1
                if sentence.mentions or sentence.omitted:
                    yield sentence
                else:
                    counts["sentences without a mention"] += 1


def _cut(document: Document, found: Linked) -> Iterator[Sentence]:
    """Cut a document into its sentences, those that a name goes across left in one piece."""
    spans = _whole(split_sentences(document.text), found)
    starts = [start for start, _ in spans]
    mentions: list[list[Mention]] = [[] for _ in spans]
    omitted: list[list[Omission]] = [[] for _ in spans]
    for m in found.mentions:
        at = bisect_right(starts, m.start) - 1
        span = m.start - starts[at], m.end - starts[at]
        mentions[at].append(Mention(*span, m.cui, m.score, m.attributes, m.alternatives))
    for o in found.omitted:
        at = bisect_right(starts, o.start) - 1
        omitted[at].append(Omission(o.start - starts[at], o.end - starts[at], o.candidates))
    for number, (start, end) in enumerate(spans):
        own, left = tuple(mentions[number]), tuple(omitted[number])
        yield Sentence(document.id, number, document.text[start:end], own, left)


def _whole(spans: list[tuple[int, int]], found: Linked) -> list[tuple[int, int]]:
    """Join sentences that a name goes across."""
    mentioned = [(mention.start, mention.end) for mention in found.mentions]
    names = sorted(mentioned + [(name.start, name.end) for name in found.omitted])
    ends = iter(names)
    joined: list[tuple[int, int]] = []
    name = next(ends, None)
    reach = -1
    for start, end in spans:
        if joined and start < reach:
            start = joined.pop()[0]
        joined.append((start, end))
        while name and name[0] < end:
            reach = max(reach, name[1]) if name[1] > end else reach
            name = next(ends, None)
    return joined


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
