"""Entity linking on given spans: the mentions of a linked corpus, looked up by their text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bali_platform.corpus import open_corpus, read_sentences
from bali_platform.errors import BaliError
from bali_platform.graph.names import name_key
from bali_trainers.evaluation.embedding import Precision
from bali_trainers.evaluation.metrics import Difference, Estimate, Values, compare, estimate
from bali_trainers.evaluation.name_task import NameTask
from bali_trainers.evaluation.naming import NameOutcome

__all__ = ["MentionReport", "MentionTask", "build_mention_task", "report_mentions"]

Metrics = dict[str, Estimate]


@dataclass(frozen=True)
class MentionTask:
    """The mentions of a corpus as queries, each distinct one asked once.

    Attributes:
        corpus: The corpus's name and digest.
        names: Dictionary and queries; a query is a distinct pair of text (case folded) and concept.
        query: [M] the query of each mention.
        document: [M] the document of each mention, numbered.
        unmatched: [Q] True where no name of the right concept equals the text but for case.
        unknown: Mentions left out because the dictionary lacks their concept.
    """

    corpus: str
    names: NameTask
    query: NDArray[np.int64]
    document: NDArray[np.int64]
    unmatched: NDArray[np.bool_]
    unknown: int


class MentionReport(BaseModel):
    """The outcome of several models on one corpus.

    The subsets: ``all`` mentions; ``distinct`` ones, each text and concept once; ``unmatched``,
    those distinct ones that no name of the right concept equals. Intervals of ``all`` are over
    documents. ``differences`` are to the first model.
    """

    model_config = ConfigDict(frozen=True)

    corpus: str
    graph_version: str
    names: int
    mentions: int
    distinct: int
    unmatched: int
    unknown: int
    precision: Precision
    models: dict[str, dict[str, Metrics]]
    differences: dict[str, dict[str, dict[str, Difference]]]


def build_mention_task(concepts: Iterable[tuple[str, Sequence[str]]], corpus: Path) -> MentionTask:
    """Ask for every mention of a corpus, with all names of all concepts as the dictionary."""
    number: dict[str, int] = {}
    rows: dict[str, int] = {}
    bearers: set[tuple[int, int]] = set()
    matched: set[tuple[int, str]] = set()
    for concept, (cui, names) in enumerate(concepts):
        number[cui] = concept
        bearers.update((concept, rows.setdefault(name, len(rows))) for name in names)
        matched.update((concept, name_key(name)) for name in names)
    queries: dict[tuple[int, str], tuple[int, str]] = {}
    asked = [
        (document, queries.setdefault((number[cui], name_key(text)), (len(queries), text))[0])
        for document, text, cui in _mentions(corpus)
        if cui in number
    ]
    if not asked:
        raise BaliError(f"{corpus} mentions no concept of this graph: nothing to evaluate")
    info = open_corpus(corpus)
    document, query = np.array(asked, dtype=np.int64).T
    return MentionTask(
        corpus=f"{info.name} ({info.sha})",
        names=NameTask(
            cuis=tuple(number),
            names=tuple(rows),
            bearers=tuple(sorted(bearers)),
            queries=tuple(text for _, text in queries.values()),
            gold=tuple((concept,) for concept, _ in queries),
        ),
        query=query,
        document=np.unique(document, return_inverse=True)[1],
        unmatched=np.array([query not in matched for query in queries]),
        unknown=info.mentions - len(asked),
    )


def _mentions(corpus: Path) -> Iterator[tuple[int, str, str]]:
    """Yield the document (numbered), the text and the CUI of every mention."""
    documents: dict[str, int] = {}
    for sentence in read_sentences(corpus):
        document = documents.setdefault(sentence.document, len(documents))
        for mention in sentence.mentions:
            yield document, sentence.text[mention.start : mention.end], mention.cui


def report_mentions(
    task: MentionTask, outcomes: list[NameOutcome], *, graph_version: str
) -> MentionReport:
    """Summarise outcomes on ``task.names``, the first being the baseline of the others."""
    baseline, *others = outcomes
    return MentionReport(
        corpus=task.corpus,
        graph_version=graph_version,
        names=len(task.names.names),
        mentions=len(task.query),
        distinct=len(task.names.queries),
        unmatched=int(task.unmatched.sum()),
        unknown=task.unknown,
        precision=baseline.precision,
        models={
            outcome.model: {
                subset: {name: estimate(values, clusters) for name, values in scores.items()}
                for subset, (scores, clusters) in _subsets(task, outcome).items()
            }
            for outcome in outcomes
        },
        differences={
            other.model: {
                subset: compare(scores, _subsets(task, baseline)[subset][0], clusters)
                for subset, (scores, clusters) in _subsets(task, other).items()
            }
            for other in others
        },
    )


def _subsets(
    task: MentionTask, outcome: NameOutcome
) -> dict[str, tuple[dict[str, Values], NDArray[np.int64] | None]]:
    scores = outcome.scores
    subsets: dict[str, tuple[dict[str, Values], NDArray[np.int64] | None]] = {
        "all": ({name: values[task.query] for name, values in scores.items()}, task.document),
        "distinct": (scores, None),
    }
    if task.unmatched.any():
        unmatched = {name: values[task.unmatched] for name, values in scores.items()}
        subsets["unmatched"] = (unmatched, None)
    return subsets
