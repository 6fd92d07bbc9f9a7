"""Entity linking on given spans: the mentions of a linked corpus as questions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_platform.graph.names import name_key
from bali_platform.text.abbreviations import definitions_for, documents_with_abbreviations
from bali_platform.text.corpus import open_corpus, read_sentences
from bali_trainers.evaluation.name_task import NameTable
from bali_trainers.inference.embedding import Spans

READING = (
    "an abbreviation that its document defines (Schwartz and Hearst, 2003) is read by its long "
    "form; in its sentence, as it stands there, after the definition ('long form (short). ') "
    "where the sentence has none"
)


@dataclass(frozen=True)
class KnownNames:
    """All names of all concepts: the dictionary of any number of corpora.

    Attributes:
        table: The names and who bears them.
        number: The place of each CUI in the table.
        keys: Every (concept, name folded by case).
    """

    table: NameTable
    number: dict[str, int]
    keys: frozenset[tuple[int, str]]

    @cached_property
    def borne(self) -> frozenset[str]:
        """Every name of any concept, folded by case."""
        return frozenset(key for _, key in self.keys)


@dataclass(frozen=True)
class MentionTask:
    """M mentions of a corpus, and the dictionary in which to look them up.

    Attributes:
        corpus: The corpus's name and digest.
        table: All names of all concepts.
        spans: The mentions in their sentences, which begin with the definitions that they lack.
        names: [M] what each is called: its text, or the long form of an abbreviation that its
            document defines.
        gold: The concepts of each mention; several where it is composite: any of them is right.
        document: [M] the document of each mention, numbered.
        unmatched: [M] True where no name of a right concept equals the text but for case.
        open: [M] True where no name of any concept equals what it is called but for case: what the
            dictionary leaves for a model to decide.
        refined: [M] True for the first mention of each text (but for case) and its concepts, unless
            training mentioned that text.
        unknown: Mentions left out because the dictionary lacks their concepts.
    """

    corpus: str
    table: NameTable
    spans: Spans
    names: tuple[str, ...]
    gold: tuple[tuple[int, ...], ...]
    document: NDArray[np.int64]
    unmatched: NDArray[np.bool_]
    open: NDArray[np.bool_]
    refined: NDArray[np.bool_]
    unknown: int


def build_mention_task(
    known: KnownNames,
    corpus: Path,
    *,
    training: Sequence[Path] = (),
    documents: int | None = None,
) -> MentionTask:
    """Ask for every mention of a corpus, or of so many of its ``documents``, chosen by hash.

    ``training`` are the corpora that the models were trained on.
    """
    number = known.number
    chosen = None if documents is None else _choose(corpus, documents)
    seen = {name_key(text) for folder in training for text in _surfaces(folder)}
    sentences: dict[str, int] = {}
    places: dict[str, int] = {}
    spans: list[tuple[int, int, int, int]] = []
    names: list[str] = []
    gold: list[tuple[int, ...]] = []
    unmatched, undecided, refined, unknown = [], [], [], 0
    asked: set[tuple[str, tuple[int, ...]]] = set()
    for document, text, start, end, name, cuis in _marked(corpus, chosen):
        wanted = tuple(sorted(number[cui] for cui in cuis if cui in number))
        if not wanted:
            unknown += 1
            continue
        row = sentences.setdefault(text, len(sentences))
        key = name_key(text[start:end])
        spans.append((places.setdefault(document, len(places)), row, start, end))
        names.append(name)
        gold.append(wanted)
        unmatched.append(not any((concept, key) in known.keys for concept in wanted))
        undecided.append(name_key(name) not in known.borne)
        refined.append(key not in seen and (key, wanted) not in asked)
        asked.add((key, wanted))
    if not spans:
        raise BaliError(f"{corpus} mentions no concept of this graph: nothing to evaluate")
    info = open_corpus(corpus)
    document_of, row_of, start_of, end_of = np.array(spans, dtype=np.int64).T
    return MentionTask(
        corpus=f"{info.name} ({info.sha})",
        table=known.table,
        spans=Spans(tuple(sentences), row_of, start_of, end_of),
        names=tuple(names),
        gold=tuple(gold),
        document=document_of,
        unmatched=np.array(unmatched),
        open=np.array(undecided),
        refined=np.array(refined),
        unknown=unknown,
    )


def read_names(concepts: Iterable[tuple[str, Sequence[str]]]) -> KnownNames:
    """Make a dictionary of ``(cui, names best first)``."""
    cuis: list[str] = []
    rows: dict[str, int] = {}
    bearers: list[tuple[int, int, int]] = []
    keys: set[tuple[int, str]] = set()
    for concept, (cui, names) in enumerate(concepts):
        cuis.append(cui)
        for place, name in enumerate(names):
            bearers.append((concept, rows.setdefault(name, len(rows)), place))
            keys.add((concept, name_key(name)))
    table = NameTable(tuple(cuis), tuple(rows), np.array(bearers, dtype=np.int64).reshape(-1, 3))
    number = {cui: concept for concept, cui in enumerate(cuis)}
    return KnownNames(table, number, frozenset(keys))


def _choose(corpus: Path, documents: int) -> set[str]:
    names = {sentence.document for sentence in read_sentences(corpus)}
    return set(sorted(names, key=lambda name: blake2b(name.encode()).digest())[:documents])


class _Marked(NamedTuple):
    document: str
    text: str
    start: int
    end: int
    name: str
    cuis: list[str]


def _marked(corpus: Path, chosen: set[str] | None) -> Iterator[_Marked]:
    """Yield each marked span of the ``chosen`` documents with what it is called and means."""
    asked = (s for s in read_sentences(corpus) if chosen is None or s.document in chosen)
    for sentences, long_forms in documents_with_abbreviations(asked):
        for sentence in sentences:
            told = definitions_for(sentence.text, long_forms)
            meant: dict[tuple[int, int], list[str]] = defaultdict(list)
            for mention in sentence.mentions:
                meant[mention.start, mention.end].append(mention.cui)
            for (start, end), cuis in meant.items():
                text = sentence.text[start:end]
                name = long_forms.get(text, text)
                yield _Marked(
                    sentence.document,
                    told + sentence.text,
                    len(told) + start,
                    len(told) + end,
                    name,
                    cuis,
                )


def _surfaces(folder: Path) -> Iterator[str]:
    open_corpus(folder)
    for sentence in read_sentences(folder):
        for mention in sentence.mentions:
            yield sentence.text[mention.start : mention.end]
