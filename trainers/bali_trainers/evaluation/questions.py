"""Questions of benchmarks: answered with yes, no or maybe, or by one of several options."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError
from bali_trainers.evaluation.classification import (
    ClassificationTask,
    Example,
    Fold,
    folded_task,
    split_task,
)

_LABELS = ("yes", "no", "maybe")
_FOLDS = 10
_OPTIONS = ("opa", "opb", "opc", "opd")


def read_questions(
    path: Path, test: Path | None = None, *, question_only: bool = False
) -> ClassificationTask:
    """Read questions, to be fitted and tested on in ten folds, or tested on those of another file.

    A file, ``.gz`` or not, is PubMedQA's (objects by PubMed id, in the order of the published
    ``ori_pqal.json``: its folds are the published ones), BioASQ's (those of ``questions`` that are
    answered with yes or no), MedQA's or MedMCQA's (JSON lines). Folds of the others go by a hash
    of the question. ``question_only`` leaves abstracts and snippets out.
    """
    kind, examples = _read(path, question_only)
    about = f"{kind}, question only" if question_only else kind
    if test is not None:
        other, asked = _read(test, question_only)
        if other != kind:
            raise BaliError(f"{test} holds questions of {other}, {path} those of {kind}")
        return split_task("questions", about, examples, asked)
    task = folded_task("questions", about, examples)
    if kind != "PubMedQA":
        return task
    numbers = np.arange(len(examples))
    tests = official_folds([example.label for example in examples])
    return replace(task, folds=tuple(Fold(np.setdiff1d(numbers, part), part) for part in tests))


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


def _read(path: Path, question_only: bool) -> tuple[str, list[Example]]:
    """Return whose questions a file holds, and the questions."""
    try:
        kind, examples = _parse(path)
        options = {len(example.options) for example in examples}
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise BaliError(
            f"{path}: not questions of PubMedQA, BioASQ, MedQA or MedMCQA "
            f"({type(error).__name__}: {error})"
        ) from None
    if not examples:
        raise BaliError(f"{path}: no questions that can be asked")
    if len(options) > 1:
        raise BaliError(f"{path}: questions have {min(options)} to {max(options)} options")
    allowed = ascii_uppercase[: max(options)] if max(options) else _LABELS
    if unknown := {example.label for example in examples} - set(allowed):
        raise BaliError(f"{path}: answer '{min(unknown)}' is none of {', '.join(allowed)}")
    if question_only:
        examples = [Example(e.texts[:1], (), e.label, e.document, e.options) for e in examples]
    return kind, examples


def _parse(path: Path) -> tuple[str, list[Example]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        text = file.read()
    try:
        found = json.loads(text)
    except ValueError:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        return _with_options(rows)
    if "questions" in found:
        return "BioASQ", list(_yes_or_no(found["questions"]))
    if "question" in found:  # JSON lines, of which there is one
        return _with_options([found])
    return "PubMedQA", [
        Example((row["QUESTION"], " ".join(row["CONTEXTS"])), (), row["final_decision"], pmid)
        for pmid, row in found.items()
    ]


def _yes_or_no(rows: Sequence[dict[str, Any]]) -> Iterator[Example]:
    """Yield BioASQ's questions as published, or with ``answer`` and snippets of text alone."""
    for row in rows:
        if row.get("type", "yesno") != "yesno":
            continue
        answer = row["answer"] if "answer" in row else row["exact_answer"]
        answer = answer[0] if isinstance(answer, list) else answer
        snippets = [s if isinstance(s, str) else s["text"] for s in row.get("snippets", ())]
        yield Example((row["body"], " ".join(snippets)), (), answer.strip().lower(), row["id"])


def _with_options(rows: Sequence[dict[str, Any]]) -> tuple[str, list[Example]]:
    if "opa" not in rows[0]:
        return "MedQA", [
            Example(
                (row["question"],),
                (),
                row["answer_idx"],
                row["question"],
                tuple(row["options"][letter] for letter in sorted(row["options"])),
            )
            for row in rows
        ]
    # Published with answers from 1; copies count from 0.
    first = 0 if any(row["cop"] == 0 for row in rows) else 1
    if any(row["cop"] < first for row in rows):
        raise ValueError("questions without answers")
    return "MedMCQA", [
        Example(
            (row["question"],),
            (),
            ascii_uppercase[row["cop"] - first],
            row["question"],
            tuple(row[key] for key in _OPTIONS),
        )
        for row in rows
    ]
