"""Tasks that a probe on a frozen encoder answers: one class for each example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.evaluation.agreement import (
    Counts,
    compare_classes,
    count_classes,
    estimate_classes,
)
from bali_trainers.evaluation.metrics import Clusters, Difference, Estimate
from bali_trainers.evaluation.probe import choose_penalty, fit_probes
from bali_trainers.evaluation.report import Mask, Outcome, Task
from bali_trainers.inference.embedding import PLAIN, NameEncoder, Setup, Spans

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
class ClassificationTask(Task):
    """Examples, and how they are split; every example is tested once at most.

    ``negative`` is the label that says there is nothing, if there is one.
    """

    name: str
    about: str
    examples: tuple[Example, ...]
    folds: tuple[Fold, ...]
    negative: str | None = None

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
        """The labels, sorted."""
        return sorted({example.label for example in self.examples})


@dataclass(frozen=True, kw_only=True)
class Classified(Outcome):
    """What one model's probes did.

    Attributes:
        predicted: [Q] class of each tested example.
        wanted: [Q] the right one.
        classes: How many there are.
        negative: The class that says there is nothing, if there is one.
    """

    predicted: NDArray[np.int64]
    wanted: NDArray[np.int64]
    classes: int
    negative: int | None

    def estimates(self, chosen: Mask, clusters: Clusters) -> dict[str, Estimate]:
        """Return accuracy and F1."""
        return estimate_classes(self._counts(chosen, clusters), self.negative)

    def gains(
        self, baseline: Classified, chosen: Mask, clusters: Clusters
    ) -> dict[str, Difference]:
        """Return the paired differences of accuracy and F1."""
        counts, before = (o._counts(chosen, clusters) for o in (self, baseline))
        return compare_classes(counts, before, self.negative)

    def _counts(self, chosen: Mask, clusters: Clusters) -> Counts:
        return count_classes(self.predicted[chosen], self.wanted[chosen], clusters, self.classes)


def evaluate_classes(
    model: str, task: ClassificationTask, setup: Setup = PLAIN
) -> list[Classified]:
    """Fit a probe for every fold on the frozen model's vectors, and test it.

    The features of an example are the unit vector of each text, that of each thing marked, and the
    products of the first two vectors of a kind. The penalty is chosen within the training part.
    """
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
    return Classified(
        model=model,
        view=view,
        notes={"penalties": penalties},
        predicted=predicted[task.tested],
        wanted=labels[task.tested],
        classes=len(classes),
        negative=classes.index(task.negative) if task.negative in classes else None,
    )


def _features(encoder: NameEncoder, examples: Sequence[Example]) -> NDArray[np.float32]:
    if not examples:
        raise BaliError("no examples: nothing to evaluate")
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
