"""Tasks with one class for each example, and the probe that answers them on a frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from string import ascii_uppercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.evaluation.agreement import (
    Counts,
    compare_classes,
    count_classes,
    estimate_classes,
)
from bali_trainers.evaluation.metrics import Clusters, Difference, Estimate
from bali_trainers.evaluation.probe import choose_penalty, fit_probes
from bali_trainers.evaluation.report import Asked, Outcome, Task
from bali_trainers.inference.embedding import PLAIN, NameEncoder, Setup, Spans

Span = tuple[int, int]
_LONGEST_TEXT = 512
_FOLDS = 10


@dataclass(frozen=True)
class Example:
    """Texts, and things marked in the first of them, to be given one label.

    Attributes:
        texts: As many in every example of a task.
        options: Answers to choose among, as many in every example; labels are their letters.
        marked: As many things in every example, each the spans where it is mentioned.
        label: The right class.
        document: Examples of one document are not independent.
    """

    texts: tuple[str, ...]
    marked: tuple[tuple[Span, ...], ...]
    label: str
    document: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fold:
    """Which examples a model is fitted on, and which it is tested on."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class ClassificationTask(Task):
    """Examples, and how they are split; every example is tested once at most.

    ``negative`` is the label that says there is nothing, if there is one.
    """

    name: str
    about: str
    examples: tuple[Example, ...]
    folds: tuple[Fold, ...]
    negative: str | None = None

    def __post_init__(self) -> None:
        if not self.examples:
            raise BaliError(f"{self.about}: no examples, nothing to evaluate")

    @property
    def title(self) -> str:
        """What is asked."""
        return f"{self.about}: {len(self.tested):,} tested, {len(self.folds)} folds"

    @property
    def tested(self) -> NDArray[np.int64]:
        """The examples of all test parts, ascending."""
        return np.sort(np.concatenate([fold.test for fold in self.folds]))

    @property
    def clusters(self) -> Clusters:
        """The document of each tested example, numbered."""
        documents = [self.examples[number].document for number in self.tested]
        return np.unique(documents, return_inverse=True)[1]

    @property
    def facts(self) -> dict[str, Any]:
        """How many examples there are."""
        labels = [example.label for example in self.examples]
        return {
            "train": len(self.folds[0].train),
            "test": len(self.tested),
            "folds": len(self.folds),
            "classes": {label: labels.count(label) for label in self.classes},
        }

    @property
    def classes(self) -> list[str]:
        """The labels, sorted; of options, the letters of all."""
        if options := self.examples[0].options:
            return list(ascii_uppercase[: len(options)])
        return sorted({example.label for example in self.examples})

    @property
    def labels(self) -> NDArray[np.int64]:
        """The class of each example, [N]."""
        classes = self.classes
        return np.array([classes.index(example.label) for example in self.examples])

    @property
    def nothing(self) -> int | None:
        """The class that says there is nothing, if there is one."""
        return self.classes.index(self.negative) if self.negative in self.classes else None


@dataclass(frozen=True, kw_only=True)
class Classified(Outcome):
    """What one model's probes, or fine-tuned copies of it, did.

    Attributes:
        predicted: [Q] class of each tested example, or [S, Q] by S seeds.
        wanted: [Q] the right one.
        classes: How many there are.
        negative: The class that says there is nothing, if there is one.
    """

    predicted: NDArray[np.int64]
    wanted: NDArray[np.int64]
    classes: int
    negative: int | None

    def estimates(self, asked: Asked) -> dict[str, Estimate]:
        """Return accuracy and F1."""
        return estimate_classes(self._counts(asked), self.negative)

    def gains(self, baseline: Classified, asked: Asked) -> dict[str, Difference]:
        """Return the paired differences of accuracy and F1."""
        counts, before = (o._counts(asked) for o in (self, baseline))
        return compare_classes(counts, before, self.negative)

    def _counts(self, asked: Asked) -> Counts:
        predicted, wanted = self.predicted[..., asked.chosen], self.wanted[asked.chosen]
        return count_classes(predicted, wanted, asked.clusters, self.classes)


def evaluate_classes(
    model: str, task: ClassificationTask, setup: Setup = PLAIN
) -> list[Classified]:
    """Fit a probe for every fold on the frozen model's vectors, and test it.

    The features of an example are the unit vector of each text, that of each thing marked, and the
    products of the first two vectors of a kind. The penalty is chosen within the training part.
    """
    if task.examples[0].options:
        raise UsageError("options are told apart by fine-tuning alone: add --fine-tune")
    encoder = NameEncoder(model, setup, name_length=_LONGEST_TEXT, sentence_length=_LONGEST_TEXT)
    features = _features(encoder, task.examples)
    return [probe_classes(model, task, features, setup.reporter)]


def probe_classes(
    model: str,
    task: ClassificationTask,
    features: NDArray[np.float32],
    reporter: Reporter = QUIET,
    *,
    view: str = "",
) -> Classified:
    """Fit a probe for every fold on the features of the examples, [N, d], and test it."""
    classes, labels = task.classes, task.labels
    predicted = np.full(len(labels), -1)
    penalties: list[float] = []
    with reporter.step("fit probes", len(task.folds)) as step:
        for fold in task.folds:
            train = features[fold.train], labels[fold.train]
            penalties.append(choose_penalty(*train, len(classes)))
            (probe,) = fit_probes(*train, len(classes), penalties[-1:])
            predicted[fold.test] = probe.predict(features[fold.test])
            step.advance()
    return Classified(
        model=model,
        view=view,
        notes={"penalties": penalties},
        predicted=predicted[task.tested],
        wanted=labels[task.tested],
        classes=len(classes),
        negative=task.nothing,
    )


def split_task(
    name: str,
    about: str,
    train: Sequence[Example],
    test: Sequence[Example],
    negative: str | None = None,
) -> ClassificationTask:
    """Fit on ``train``, test on ``test``; no test document may be in training."""
    if not train or not test:
        raise BaliError(f"{about}: no examples to {'test on' if train else 'learn from'}")
    shared = {e.document for e in train} & {e.document for e in test}
    if shared:
        raise BaliError(
            f"{about}: {len(shared)} test documents are also in the training part, such as "
            f"'{min(shared)[:60]}': take them out of one"
        )
    unseen = {e.label for e in test} - {e.label for e in train}
    if unseen and not train[0].options:
        raise BaliError(f"{about}: no training example has the label '{min(unseen)}'")
    fold = Fold(np.arange(len(train)), np.arange(len(train), len(train) + len(test)))
    return ClassificationTask(name, about, (*train, *test), (fold,), negative)


def folded_task(name: str, about: str, examples: Sequence[Example]) -> ClassificationTask:
    """Fit and test in ten folds of documents."""
    if len(examples) < 3 * _FOLDS:
        raise BaliError(f"{about}: {len(examples)} examples are too few for {_FOLDS} folds")
    return ClassificationTask(name, about, tuple(examples), document_folds(examples, _FOLDS))


def document_folds(examples: Sequence[Example], count: int) -> tuple[Fold, ...]:
    """Sort documents into ``count`` folds by hash; those that would be empty are left out."""
    fold = np.array([document_hash(example) % count for example in examples])
    return tuple(
        Fold(np.flatnonzero(fold != part), np.flatnonzero(fold == part))
        for part in range(count)
        if 0 < np.count_nonzero(fold == part) < len(examples)
    )


def document_hash(example: Example) -> int:
    """Return a number that is always the same for examples of one document."""
    digest = blake2b(example.document.encode(), digest_size=8, salt=b"folds")
    return int.from_bytes(digest.digest(), "big")


def _features(encoder: NameEncoder, examples: Sequence[Example]) -> NDArray[np.float32]:
    whole = []
    for texts in zip(*(example.texts for example in examples), strict=True):
        embedded = encoder.encode(texts)
        whole.append(embedded.vectors[embedded.row].astype(np.float32))
    things = [
        _thing(encoder, examples, number, whole[0]) for number in range(len(examples[0].marked))
    ]
    products = [kind[0] * kind[1] for kind in (whole, things) if len(kind) > 1]
    return np.concatenate([*whole, *things, *products], axis=1)


def _thing(
    encoder: NameEncoder,
    examples: Sequence[Example],
    number: int,
    instead: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the mean vector of a thing's mentions, [N, d]; the text's where none can be seen."""
    texts = {text: row for row, text in enumerate(dict.fromkeys(e.texts[0] for e in examples))}
    rows = [
        (owner, texts[example.texts[0]], start, end)
        for owner, example in enumerate(examples)
        for start, end in example.marked[number]
    ]
    owner, row, start, end = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    vectors = encoder.encode_in_context(Spans(tuple(texts), row, start, end))
    sums = np.zeros_like(instead)
    np.add.at(sums, owner, vectors)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.where(length > 0, sums / np.maximum(length, 1e-9), instead)
    return unit
