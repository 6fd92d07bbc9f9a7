"""Tasks that a probe on a frozen encoder answers: one class for each example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.evaluation.agreement import (
    Counts,
    compare_classes,
    count_classes,
    estimate_classes,
)
from bali_trainers.evaluation.metrics import Difference, Estimate
from bali_trainers.evaluation.probe import choose_penalty, fit_probes
from bali_trainers.inference.embedding import NameEncoder, Precision, Spans

Span = tuple[int, int]
_LONGEST_TEXT = 512


@dataclass(frozen=True)
class Example:
    """Texts, and things marked in the first of them, to be given one label.

    Attributes:
        texts: As many in every example of a task.
        marked: As many things in every example, each the spans where it is mentioned.
        label: The right class.
        document: Examples of one document are not independent.
    """

    texts: tuple[str, ...]
    marked: tuple[tuple[Span, ...], ...]
    label: str
    document: str


@dataclass(frozen=True)
class Fold:
    """Which examples a probe is fitted on, and which it is tested on."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


@dataclass(frozen=True)
class ClassificationTask:
    """Examples, and how they are split; every example is tested once at most.

    ``negative`` is the label that says there is nothing, if there is one.
    """

    name: str
    examples: tuple[Example, ...]
    folds: tuple[Fold, ...]
    negative: str | None = None

    @property
    def classes(self) -> list[str]:
        """The labels, sorted."""
        return sorted({example.label for example in self.examples})


@dataclass(frozen=True)
class ClassificationOutcome:
    """What one model's probes did: counts by document, and the penalty of each fold."""

    model: str
    precision: Precision
    counts: Counts
    penalties: tuple[float, ...]


class ClassificationReport(BaseModel):
    """The outcome of several models on one task; ``differences`` are to the first model."""

    model_config = ConfigDict(frozen=True)

    task: str
    train: int
    test: int
    folds: int
    classes: dict[str, int]
    precision: Precision
    penalties: dict[str, tuple[float, ...]]
    models: dict[str, dict[str, Estimate]]
    differences: dict[str, dict[str, Difference]]


def evaluate_classes(
    model: str,
    task: ClassificationTask,
    *,
    precision: Precision = "fp32",
    device: str = "cpu",
    reporter: Reporter = QUIET,
) -> ClassificationOutcome:
    """Fit a probe for every fold on the frozen model's vectors, and test it.

    The features of an example are the unit mean vector of each text, that of each thing marked, and
    the products of the first two vectors of a kind. The penalty is chosen within the training part.
    """
    encoder = NameEncoder(
        model,
        name_length=_LONGEST_TEXT,
        sentence_length=_LONGEST_TEXT,
        precision=precision,
        device=device,
    )
    return probe_classes(
        model, task, _features(encoder, task.examples, reporter), precision, reporter=reporter
    )


def probe_classes(
    model: str,
    task: ClassificationTask,
    features: NDArray[np.float32],
    precision: Precision,
    *,
    reporter: Reporter = QUIET,
) -> ClassificationOutcome:
    """Fit a probe for every fold on the features of the examples, [N, d], and test it."""
    classes = task.classes
    labels = np.array([classes.index(example.label) for example in task.examples])
    predicted = np.full(len(labels), -1)
    penalties: list[float] = []
    with reporter.step("fit probes", len(task.folds)) as step:
        for fold in task.folds:
            train = features[fold.train], labels[fold.train]
            penalties.append(choose_penalty(*train, len(classes)))
            (probe,) = fit_probes(*train, len(classes), penalties[-1:])
            predicted[fold.test] = probe.predict(features[fold.test])
            step.advance()
    tested = np.flatnonzero(predicted >= 0)
    documents = np.unique([task.examples[i].document for i in tested], return_inverse=True)[1]
    counts = count_classes(predicted[tested], labels[tested], documents, len(classes))
    return ClassificationOutcome(model, precision, counts, tuple(penalties))


def report_classes(
    task: ClassificationTask, outcomes: Sequence[ClassificationOutcome]
) -> ClassificationReport:
    """Summarise outcomes on ``task``, the first being the baseline of the others."""
    baseline, *others = outcomes
    classes = task.classes
    negative = classes.index(task.negative) if task.negative in classes else None
    labels = [example.label for example in task.examples]
    return ClassificationReport(
        task=task.name,
        train=len(task.folds[0].train),
        test=sum(len(fold.test) for fold in task.folds),
        folds=len(task.folds),
        classes={label: labels.count(label) for label in classes},
        precision=baseline.precision,
        penalties={outcome.model: outcome.penalties for outcome in outcomes},
        models={o.model: estimate_classes(o.counts, negative) for o in outcomes},
        differences={
            other.model: compare_classes(other.counts, baseline.counts, negative)
            for other in others
        },
    )


def _features(
    encoder: NameEncoder, examples: Sequence[Example], reporter: Reporter
) -> NDArray[np.float32]:
    if not examples:
        raise BaliError("no examples: nothing to evaluate")
    whole = []
    for texts in zip(*(example.texts for example in examples), strict=True):
        embedded = encoder.encode(texts, reporter=reporter)
        whole.append(embedded.vectors[embedded.row].astype(np.float32))
    things = [
        _thing(encoder, examples, number, whole[0], reporter)
        for number in range(len(examples[0].marked))
    ]
    products = [kind[0] * kind[1] for kind in (whole, things) if len(kind) > 1]
    return np.concatenate([*whole, *things, *products], axis=1)


def _thing(
    encoder: NameEncoder,
    examples: Sequence[Example],
    number: int,
    instead: NDArray[np.float32],
    reporter: Reporter,
) -> NDArray[np.float32]:
    """Return the mean vector of a thing's mentions, [N, d]; the text's where none can be seen."""
    texts = {text: row for row, text in enumerate(dict.fromkeys(e.texts[0] for e in examples))}
    rows = [
        (owner, texts[example.texts[0]], start, end)
        for owner, example in enumerate(examples)
        for start, end in example.marked[number]
    ]
    owner, row, start, end = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    vectors = encoder.encode_in_context(Spans(tuple(texts), row, start, end), reporter=reporter)
    sums = np.zeros_like(instead)
    np.add.at(sums, owner, vectors)
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    unit: NDArray[np.float32] = np.where(length > 0, sums / np.maximum(length, 1e-9), instead)
    return unit
