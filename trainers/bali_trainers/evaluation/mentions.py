"""Entity linking on given spans: the mentions of a linked corpus, and what models answer."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_platform.graph.names import name_key
from bali_platform.text.abbreviations import definitions_for, documents_with_abbreviations
from bali_platform.text.corpus import open_corpus, read_sentences
from bali_trainers.evaluation.encoders import Encoder, open_encoder
from bali_trainers.evaluation.metrics import Clusters, Values, rank_metrics
from bali_trainers.evaluation.names import NameTable
from bali_trainers.evaluation.ranking import RULE, Bearers, rank_concepts
from bali_trainers.evaluation.report import Asked, Mask, Outcome, Scored, Section, Task
from bali_trainers.inference.embedding import PLAIN, Setup, Spans, unit_rows

Encoding = Literal["name", "context", "mixed"]

RARE = 5

READING = (
    "an abbreviation that its document defines (Schwartz and Hearst, 2003) is read by its long "
    "form; in its sentence, as it stands there, after the definition ('long form (short). ') "
    "where the sentence has none"
)


SUBSETS = {
    "unmatched": "their text equals no name of a right concept, but for case",
    "open": "called what no concept is called, but for case: no dictionary decides them",
    "refined": "each text and concept once, without texts that training mentions",
    "seen": "training mentions their text, but for case",
    "unseen": "training does not mention their text",
    "unseen concept": "training mentions no right concept",
    "rare": f"training mentions a right concept, but none more than {RARE} times",
}
"""Mentions of which a dictionary alone, or what training saw, says more or less.

The last four are there where training corpora are named.
"""


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
    def digest(self) -> str:
        """Digest of every concept with its names, in their order."""
        told = blake2b("\n".join((*self.table.cuis, *self.table.names)).encode(), digest_size=8)
        told.update(self.table.bearers.tobytes())
        return told.hexdigest()

    @cached_property
    def borne(self) -> frozenset[str]:
        """Every name of any concept, folded by case."""
        return frozenset(key for _, key in self.keys)


@dataclass(frozen=True)
class MentionTask(Task):
    """M mentions of a corpus, and the dictionary in which to look them up.

    Attributes:
        corpus: The corpus's name and digest.
        table: All names of all concepts.
        spans: The mentions in their sentences, which begin with the definitions that they lack.
        names: [M] what each is called: its text, or the long form of an abbreviation that its
            document defines.
        gold: The concepts of each mention; several where it is composite: any of them is right.
        document: [M] the document of each mention, numbered.
        chosen: Subsets of the mentions, each [M], see :data:`SUBSETS`.
        unknown: Mentions left out because the dictionary lacks their concepts.
    """

    name = "mentions"
    corpus: str
    table: NameTable
    spans: Spans
    names: tuple[str, ...]
    gold: tuple[tuple[int, ...], ...]
    document: NDArray[np.int64]
    chosen: dict[str, Mask]
    unknown: int

    @property
    def title(self) -> str:
        """What is asked."""
        size, names = len(self.gold), len(self.table.names)
        return f"{self.corpus}: {size:,} mentions among {names:,} names"

    @property
    def clusters(self) -> Clusters:
        """The document of each mention."""
        return self.document

    @property
    def kinds(self) -> Clusters:
        """The concepts of each mention, numbered: macro averages are over concepts."""
        numbers = {gold: number for number, gold in enumerate(dict.fromkeys(self.gold))}
        return np.array([numbers[gold] for gold in self.gold])

    @property
    def subsets(self) -> dict[str, Mask]:
        """All mentions, and those of :data:`SUBSETS`."""
        return {**super().subsets, **self.chosen}

    @property
    def facts(self) -> dict[str, Any]:
        """How many there are, and how they are read and ranked."""
        return {
            "corpus": self.corpus,
            "concepts": len(self.table.cuis),
            "names": len(self.table.names),
            "mentions": len(self.gold),
            "unknown": self.unknown,
            "rule": RULE,
            "reading": READING,
        }

    def further(self, outcomes: Sequence[Scored]) -> dict[str, Section]:
        """Compare linkers that look at the graph's edges with those that do not."""
        sections = {}
        for subset, chosen in self.subsets.items():
            asked = Asked.of(chosen, self.clusters, self.kinds)
            gains = {
                f"{real.label}, over {other.notes['edges']}": real.gains(other, asked)
                for real, other in product(outcomes, outcomes)
                if real.notes.get("edges") == "real" and real.view == other.view
                if other.notes.get("edges", "real") != "real" and chosen.any()
            }
            if gains:
                sections[f"edges, {subset}"] = Section(differences=gains)
        return sections

    def baseline(self, outcome: Outcome, outcomes: Sequence[Outcome]) -> Outcome:
        """Return the first model's outcome in the same encoding, or in the last of its own."""
        first = [o for o in outcomes if o.model == outcomes[0].model]
        return next((o for o in first if o.view == outcome.view), first[-1])


def build_mention_task(
    known: KnownNames,
    corpus: Path,
    *,
    training: Sequence[Path] = (),
    documents: int | None = None,
    published: bool = False,
) -> MentionTask:
    """Ask for every mention of a corpus, or of so many of its ``documents``, chosen by hash.

    ``training`` are the corpora that the models were trained on. With ``published``, mentions are
    called by their text in lower case, whatever an abbreviation stands for, as the published
    benchmarks read them; :func:`lowered` does the same with the names of a graph.
    """
    number = known.number
    chosen = None if documents is None else choose_documents(corpus, documents)
    taught = _Taught(training)
    sentences: dict[str, int] = {}
    places: dict[str, int] = {}
    spans: list[tuple[int, int, int, int]] = []
    names: list[str] = []
    gold: list[tuple[int, ...]] = []
    chosen_by: dict[str, list[bool]] = defaultdict(list)
    unknown = 0
    asked: set[tuple[str, tuple[int, ...]]] = set()
    for document, text, start, end, name, cuis in _marked(corpus, chosen):
        wanted = tuple(sorted(number[cui] for cui in cuis if cui in number))
        if not wanted:
            unknown += 1
            continue
        row = sentences.setdefault(text, len(sentences))
        key = name_key(text[start:end])
        spans.append((places.setdefault(document, len(places)), row, start, end))
        name = text[start:end].lower() if published else name
        names.append(name)
        gold.append(wanted)
        subsets = {
            "unmatched": not any((concept, key) in known.keys for concept in wanted),
            "open": name_key(name) not in known.borne,
            "refined": key not in taught.texts and (key, wanted) not in asked,
            **taught.subsets(key, cuis),
        }
        for subset, inside in subsets.items():
            chosen_by[subset].append(inside)
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
        chosen={subset: np.array(inside) for subset, inside in chosen_by.items()},
        unknown=unknown,
    )


def lowered(concepts: Iterable[tuple[str, Sequence[str]]]) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of each concept in lower case, each once."""
    for cui, names in concepts:
        yield cui, list(dict.fromkeys(name.lower() for name in names))


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


def evaluate_mentions(
    model: str,
    tasks: Sequence[MentionTask],
    encodings: Sequence[Encoding] = ("name",),
    setup: Setup = PLAIN,
) -> list[list[Scored]]:
    """Link every mention to the concept with the nearest name, by cosine, over all names.

    The tasks share a dictionary, which is encoded once. A mention is encoded as what it is called
    (``name``), as the mean of its tokens in the sentence (``context``), or as the sum of both unit
    vectors (``mixed``). Returns for each task the outcome in each encoding; ``cut`` mentions were
    beyond the length of a sentence, and encoded by their text alone.
    """
    encoder = open_encoder(model, setup)
    table = tasks[0].table
    mentions = [name for task in tasks for name in task.names]
    known, asked = encoder.encode_both(table.names, mentions)
    bearers = table.by_vector(known.row)
    ends = np.cumsum([len(task.gold) for task in tasks])
    found = []
    for task, end in zip(tasks, ends.tolist(), strict=True):
        own = asked.row[end - len(task.gold) : end]
        vectors, cut = _encode(encoder, task, asked.vectors[own], encodings)
        outcomes = []
        for encoding in encodings:
            row = own if encoding == "name" else np.arange(len(own))
            with setup.reporter.step(f"rank concepts, {encoding}"):
                scores = _score(
                    task, known.vectors, bearers, vectors[encoding], row, encoder.device
                )
            notes = {"cut": 0 if encoding == "name" else cut}
            outcomes.append(Scored(model=model, view=encoding, notes=notes, scores=scores))
        found.append(outcomes)
    return found


def choose_documents(corpus: Path, number: int) -> set[str]:
    """Return the ids of so many documents of a corpus, chosen by hash."""
    names = {sentence.document for sentence in read_sentences(corpus)}
    return set(sorted(names, key=lambda name: blake2b(name.encode()).digest())[:number])


def nearest_names(
    model: str,
    names: Sequence[str],
    further: Sequence[str],
    sentence: str,
    places: Sequence[tuple[int, int]],
    setup: Setup = PLAIN,
) -> list[str]:
    """Return which of the names is nearest to each place of a sentence.

    The vectors of ``names`` are kept for the next call, those of ``further`` ones are not.
    """
    encoder = open_encoder(model, setup)
    known, added = encoder.encode_both(names, further)
    start, end = np.array(places, dtype=np.int64).reshape(-1, 2).T
    asked = encoder.encode_in_context(Spans((sentence,), np.zeros_like(start), start, end))
    vectors = np.concatenate([known.vectors[known.row], added.vectors[added.row]])
    nearest = (vectors.astype(np.float32) @ asked.T).argmax(axis=0)
    return [[*names, *further][place] for place in nearest.tolist()]


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


class _Taught:
    """What training corpora mention: texts, folded by case, and how often each concept."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.texts: set[str] = set()
        self.concepts: Counter[str] = Counter()
        for folder in folders:
            open_corpus(folder)
            for sentence in read_sentences(folder):
                for mention in sentence.mentions:
                    self.texts.add(name_key(sentence.text[mention.start : mention.end]))
                    self.concepts[mention.cui] += 1

    def subsets(self, key: str, cuis: Sequence[str]) -> dict[str, bool]:
        """Say which of the subsets that are about training a mention is in."""
        if not self.texts:
            return {}
        most = max(self.concepts[cui] for cui in cuis)
        return {
            "seen": key in self.texts,
            "unseen": key not in self.texts,
            "unseen concept": most == 0,
            "rare": 0 < most <= RARE,
        }


def _encode(
    encoder: Encoder,
    task: MentionTask,
    names: NDArray[np.floating],
    encodings: Sequence[Encoding],
) -> tuple[dict[Encoding, NDArray[np.float32]], int]:
    """Return vectors of the mentions by encoding, each [M, d], and how many were cut."""
    by_name = names.astype(np.float32)
    if set(encodings) == {"name"}:
        return {"name": by_name}, 0
    in_context = encoder.encode_in_context(task.spans)
    lost = ~in_context.any(axis=1)
    in_context[lost] = by_name[lost]
    mixed = unit_rows(in_context + by_name)
    return {"name": by_name, "context": in_context, "mixed": mixed}, int(lost.sum())


def _score(
    task: MentionTask,
    names: NDArray[np.floating],
    bearers: Bearers,
    vectors: NDArray[np.float32],
    row: NDArray[np.int64],
    device: str,
) -> dict[str, Values]:
    """Rank once what has the same vector (``row``) and the same concepts."""
    _, first, back = np.unique(
        np.stack([row, task.kinds]), axis=1, return_index=True, return_inverse=True
    )
    gold = [np.array(task.gold[mention]) for mention in first]
    ranks = rank_concepts(vectors[first], names, bearers, gold, device)
    return {metric: values[back.reshape(-1)] for metric, values in rank_metrics(ranks).items()}
