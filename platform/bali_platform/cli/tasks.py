"""What ``bali evaluate`` asks besides linking: questions, relations, masked tokens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from bali_platform.cli.common import reporter

if TYPE_CHECKING:
    from bali_loaders.corpora import Document
    from bali_trainers.evaluation import (
        ClassificationReport,
        ClassificationTask,
        Example,
        PerplexityReport,
    )
    from bali_trainers.evaluation.embedding import Precision

__all__ = [
    "evaluate_questions",
    "evaluate_relations",
    "evaluate_text",
    "pairs_of_document",
]

UNRELATED = "none"
"""The label of two things that a document mentions and does not relate."""


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
