"""Linked documents: the sentences of a corpus put back into the texts that they are of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from bali_loaders.corpora.sentences import split_sentences
from bali_platform.text.corpus import Mention, Sentence, open_corpus, read_sentences
from bali_platform.text.documents import read_texts

_PLAIN = ("start", "end", "cui")


class Described(NamedTuple):
    """What a reader wants to see of a concept: its name and semantic types."""

    name: str
    types: tuple[str, ...]


Describe = Callable[[Collection[str]], Mapping[str, Described]]


@dataclass(frozen=True, slots=True)
class LinkedDocument:
    """A text and its mentions, whose ``start`` and ``end`` count characters of the text.

    ``concepts`` describes what is mentioned, by CUI.
    """

    id: str
    text: str
    mentions: tuple[Mention, ...]
    concepts: Mapping[str, Described]

    def name(self, cui: str) -> str:
        """Return a concept's name, or its CUI where it is not known."""
        return self.concepts[cui].name if cui in self.concepts else cui

    def types(self, cui: str) -> tuple[str, ...]:
        """Return a concept's semantic types, none where it is not known."""
        return self.concepts[cui].types if cui in self.concepts else ()


def read_linked(corpus: Path, describe: Describe) -> Iterator[LinkedDocument]:
    """Yield the documents of a corpus in order, also those in which nothing was found.

    A corpus that kept no texts yields its sentences, a line each.
    """
    open_corpus(corpus)
    groups = groupby(read_sentences(corpus), key=lambda sentence: sentence.document)
    for name, text, sentences in _with_texts(groups, read_texts(corpus)):
        mentions = tuple(_placed(text, sentences))
        described = describe({mention.cui for mention in mentions})
        yield LinkedDocument(name, text, mentions, described)


def extras(mention: Mention) -> dict[str, Any]:
    """Return what a mention says besides its place and concept: attributes, alternatives."""
    values = ((f.name, getattr(mention, f.name)) for f in fields(mention) if f.name not in _PLAIN)
    return {name: value for name, value in values if value not in ((), None)}


def _with_texts(
    groups: Iterable[tuple[str, Iterator[Sentence]]], texts: Iterable[tuple[str, str]]
) -> Iterator[tuple[str, str, list[Sentence]]]:
    """Merge sentences by document, and texts, which are in the same order."""
    found = iter(groups)
    waiting = next(found, None)
    for name, text in texts:
        sentences: list[Sentence] = []
        if waiting and waiting[0] == name:
            sentences = list(waiting[1])
            waiting = next(found, None)
        yield name, text, sentences
    while waiting:
        sentences = list(waiting[1])
        yield waiting[0], "\n".join(sentence.text for sentence in sentences), sentences
        waiting = next(found, None)


def _placed(text: str, sentences: list[Sentence]) -> Iterator[Mention]:
    spans = split_sentences(text) if sentences else []
    reached = 0
    for sentence in sentences:
        start, end = spans[sentence.sentence] if sentence.sentence < len(spans) else (0, 0)
        if text[start:end] != sentence.text or start < reached:
            start = text.index(sentence.text, reached)
        reached = start
        for mention in sentence.mentions:
            yield replace(mention, start=start + mention.start, end=start + mention.end)
