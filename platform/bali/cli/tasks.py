"""What ``bali evaluate`` asks besides linking: edges, questions, relations, language itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from bali.cli.common import reporter

if TYPE_CHECKING:
    from bali_loaders.corpora import Document
    from bali_trainers.evaluation import (
        ClassificationReport,
        ClassificationTask,
        EdgeTask,
        Example,
        GeneralReport,
        LinkReport,
        PerplexityReport,
    )
    from bali_trainers.inference.embedding import Precision


UNRELATED = "none"
"""The label of two things that a document mentions and does not relate."""


def evaluate_edges(
    models: list[str], precision: Precision, *, withheld: float, asked: int, candidates: int
) -> LinkReport:
    """Look for the ends of edges of the live graph that training withheld."""
    from bali_trainers.evaluation import evaluate_links, report_links

    with _edges(withheld, asked, candidates) as task:
        outcomes = [
            outcome
            for model in models
            for outcome in evaluate_links(model, task, precision=precision, reporter=reporter())
        ]
        return report_links(task, outcomes)


def evaluate_pairs_of_concepts(
    models: list[str], precision: Precision, *, withheld: float, asked: int, candidates: int
) -> ClassificationReport:
    """Probe models on how the ends of these edges are related."""
    from bali_trainers.evaluation import build_pair_task, evaluate_pairs, report_classes

    with _edges(withheld, asked, candidates) as edges:
        task = build_pair_task(edges)
        outcomes = [
            outcome
            for model in models
            for outcome in evaluate_pairs(model, task, precision=precision, reporter=reporter())
        ]
        return report_classes(task.classes, outcomes)


def evaluate_general_language(models: list[str], precision: Precision) -> GeneralReport:
    """Compare what models make of everyday sentences."""
    from bali_trainers.evaluation import evaluate_general, general_triplets, report_general

    triplets = general_triplets()
    return report_general(
        [
            evaluate_general(model, triplets, precision=precision, reporter=reporter())
            for model in models
        ]
    )


@contextmanager
def _edges(withheld: float, asked: int, candidates: int) -> Iterator[EdgeTask]:
    """Read the withheld edges of the live graph, and leave it open for the neighbourhoods."""
    from bali_platform.base.settings import load_settings
    from bali_platform.graph.client import Graph
    from bali_platform.subgraphs import GraphNeighbourhoods
    from bali_trainers.evaluation import build_edge_task

    with Graph.connect(load_settings()) as graph:
        with reporter().step("read the edges"):
            task = build_edge_task(
                (cui for cui, _ in graph.names()),
                GraphNeighbourhoods(graph),
                withheld=withheld,
                limit=asked,
                candidates=candidates,
            )
        yield task


def evaluate_questions(models: list[str], path: Path, precision: Precision) -> ClassificationReport:
    """Probe models on the questions of PubMedQA."""
    from bali_trainers.evaluation import read_pubmedqa

    return _probe(models, read_pubmedqa(path), precision)


def evaluate_relations(
    models: list[str], train: Path, test: Path, precision: Precision
) -> ClassificationReport:
    """Probe models on marked pairs (``.jsonl``), or on relations of whole documents."""
    from bali_trainers.evaluation import read_marked_relations, relation_task

    name = f"relations, {train.name} to {test.name}"
    if train.suffix == ".jsonl":
        parts = read_marked_relations(train), read_marked_relations(test)
        return _probe(models, relation_task(name, *parts), precision)
    pairs = [list(_pairs(path)) for path in (train, test)]
    # What never relates in training (two species) is no candidate.
    related = {kinds for kinds, example in pairs[0] if example.label != UNRELATED}
    chosen = [[example for kinds, example in part if kinds in related] for part in pairs]
    return _probe(models, relation_task(name, *chosen, negative=UNRELATED), precision)


def evaluate_text(models: list[str], path: Path) -> PerplexityReport:
    """Compare models' perplexities on the sentences of a file's documents."""
    from bali_loaders.corpora import read_documents, split_sentences
    from bali_trainers.evaluation import evaluate_perplexity, report_perplexity

    texts = [
        document.text[start:end]
        for document in read_documents(path)
        for start, end in split_sentences(document.text)
    ]
    return report_perplexity([evaluate_perplexity(m, texts, reporter=reporter()) for m in models])


def pairs_of_document(document: Document) -> Iterator[tuple[frozenset[str], Example]]:
    """Yield every pair of things that a document mentions, with their kinds and their relation."""
    from bali_trainers.evaluation import Example

    spans: dict[str, list[tuple[int, int]]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for annotation in document.annotations:
        for identifier in annotation.identifiers:
            spans[identifier].append((annotation.start, annotation.end))
            kinds[identifier] = annotation.kind
    labels = {frozenset((r.first, r.second)): r.kind for r in document.relations}
    for one, other in combinations(sorted(spans, key=lambda i: (kinds[i], i)), 2):
        label = labels.get(frozenset((one, other)), UNRELATED)
        marked = tuple(spans[one]), tuple(spans[other])
        example = Example((document.text,), marked, label, document.id)
        yield frozenset((kinds[one], kinds[other])), example


def _pairs(path: Path) -> Iterator[tuple[frozenset[str], Example]]:
    from bali_loaders.corpora import read_documents

    for document in read_documents(path):
        yield from pairs_of_document(document)


def _probe(
    models: list[str], task: ClassificationTask, precision: Precision
) -> ClassificationReport:
    from bali_trainers.evaluation import evaluate_classes, report_classes

    outcomes = [
        evaluate_classes(model, task, precision=precision, reporter=reporter()) for model in models
    ]
    return report_classes(task, outcomes)
