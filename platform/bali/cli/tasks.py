"""What ``bali evaluate`` asks of texts that loaders read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from bali_loaders.corpora import Document, read_documents, split_sentences
from bali_trainers.evaluation import (
    ClassificationTask,
    Example,
    MaskedTextTask,
    read_marked_relations,
    relation_task,
)

UNRELATED = "none"
"""The label of two things that a document mentions and does not relate."""


def read_relations(train: Path, test: Path) -> ClassificationTask:
    """Read marked pairs (``.jsonl``), or the relations of whole documents."""
    about = f"relations, {train.name} to {test.name}"
    if train.suffix == ".jsonl":
        return relation_task(about, read_marked_relations(train), read_marked_relations(test))
    pairs = [
        [pair for document in read_documents(path) for pair in pairs_of_document(document)]
        for path in (train, test)
    ]
    # What never relates in training (two species) is no candidate.
    related = {kinds for kinds, example in pairs[0] if example.label != UNRELATED}
    chosen = [[example for kinds, example in part if kinds in related] for part in pairs]
    return relation_task(about, *chosen, negative=UNRELATED)


def read_texts(path: Path) -> MaskedTextTask:
    """Read the sentences of a file's documents."""
    return MaskedTextTask(
        tuple(
            document.text[start:end]
            for document in read_documents(path)
            for start, end in split_sentences(document.text)
        )
    )


def pairs_of_document(document: Document) -> Iterator[tuple[frozenset[str], Example]]:
    """Yield every pair of things that a document mentions, with their kinds and their relation."""
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
