"""What ``bali evaluate`` asks of texts that loaders read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from bali_loaders.corpora import Document, read_documents, split_sentences
from bali_loaders.releases.tables import table_rows
from bali_platform.base.errors import BaliError
from bali_trainers.evaluation import (
    ClassificationTask,
    Example,
    MaskedTextTask,
    folded_task,
    read_marked_relations,
    split_task,
)

UNRELATED = "none"
"""The label of two things that a document mentions and does not relate."""

_COLUMNS = ("label", "text", "text_a", "text_b", "document")


def read_relations(train: Path, test: Path) -> ClassificationTask:
    """Read marked pairs (``.jsonl``), or the relations of whole documents."""
    about = f"relations, {train.name} to {test.name}"
    if train.suffix == ".jsonl":
        learned, asked = read_marked_relations(train), read_marked_relations(test)
        return split_task("relations", about, learned, asked)
    pairs = [
        [pair for document in read_documents(path) for pair in pairs_of_document(document)]
        for path in (train, test)
    ]
    # What never relates in training (two species) is no candidate.
    related = {kinds for kinds, example in pairs[0] if example.label != UNRELATED}
    learned, asked = ([example for kinds, example in part if kinds in related] for part in pairs)
    return split_task("relations", about, learned, asked, negative=UNRELATED)


def read_classes(train: Path, test: Path | None) -> ClassificationTask:
    """Read tables of labelled texts; ten folds where there is no other one to test on."""
    examples = read_table(train)
    if test is None:
        return folded_task("classify", train.name, examples)
    about = f"{train.name} to {test.name}"
    return split_task("classify", about, examples, read_table(test))


def read_table(path: Path) -> list[Example]:
    """Read ``text``, or ``text_a`` and ``text_b``, and ``label`` of each row; others are ignored.

    A column ``document`` says which rows are not independent.
    """
    examples = []
    for line, (label, text, first, second, document) in table_rows(path, _COLUMNS, required=1):
        texts = (text,) if text else (first, second)
        if not label or not all(texts):
            raise BaliError(f"{path}, line {line}: needs label, and text or text_a and text_b")
        examples.append(Example(texts, (), label, document or " ".join(texts)))
    if len({len(example.texts) for example in examples}) > 1:
        raise BaliError(f"{path}: some rows have a text, others a pair: part them")
    return examples


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
