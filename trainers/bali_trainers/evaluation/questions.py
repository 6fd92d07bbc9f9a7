"""PubMedQA: questions that an abstract answers with yes, no or maybe."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_trainers.evaluation.classification import ClassificationTask, Example, Fold

_LABELS = ("yes", "no", "maybe")
_FOLDS = 10


def read_pubmedqa(path: Path) -> ClassificationTask:
    """Read the labelled questions for cross-validation: question and contexts, reasoning required.

    The file maps PubMed ids to objects with ``QUESTION``, ``CONTEXTS`` and ``final_decision``, in
    the order of the published ``ori_pqal.json``; the conclusion (``LONG_ANSWER``) is not read.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        examples = tuple(
            Example((row["QUESTION"], " ".join(row["CONTEXTS"])), (), row["final_decision"], pmid)
            for pmid, row in rows.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BaliError(
            f"{path}: not questions of PubMedQA ({type(error).__name__}: {error})"
        ) from None
    labels = [example.label for example in examples]
    if unknown := set(labels) - set(_LABELS):
        raise BaliError(f"{path}: answer '{min(unknown)}' is none of {', '.join(_LABELS)}")
    if len(labels) < 3 * _FOLDS:
        raise BaliError(f"{path}: {len(labels)} questions are too few for {_FOLDS} folds")
    numbers = np.arange(len(labels))
    folds = tuple(Fold(np.setdiff1d(numbers, test), test) for test in official_folds(labels))
    return ClassificationTask("questions", "PubMedQA, reasoning required", examples, folds)


def official_folds(labels: Sequence[str]) -> list[NDArray[np.int64]]:
    """Return the questions of each of ten folds, as the published split draws them.

    The benchmark halves its labelled questions into those for cross-validation and a test set,
    which must not be here, and splits the former: each label is shuffled and cut in equal runs, and
    the last, smaller fold gets one question from each other. All draws come from one generator with
    seed 0, so the place of a question among those of its label tells where it went.
    """
    draw = random.Random(0)  # noqa: S311
    order: dict[str, list[int]] = {}
    for label in _LABELS:
        own = [number for number, found in enumerate(labels) if found == label]
        places = list(range(2 * len(own)))
        draw.shuffle(places)
        first_half = places[: len(own)]
        order[label] = [own[place] for place in np.argsort(np.argsort(first_half))]
    for label in _LABELS:
        draw.shuffle(order[label])
    folds = [
        [number for label in _LABELS for number in _run(order[label], fold)]
        for fold in range(_FOLDS)
    ]
    if len(folds[-1]) != len(folds[0]):
        for fold in folds[:-1]:
            folds[-1].append(fold.pop(fold.index(draw.choice(fold))))
    return [np.sort(np.array(fold, dtype=np.int64)) for fold in folds]


def _run(numbers: Sequence[int], fold: int) -> Sequence[int]:
    size = -(-len(numbers) // _FOLDS)
    end = None if fold == _FOLDS - 1 else (fold + 1) * size
    return numbers[fold * size : end]
