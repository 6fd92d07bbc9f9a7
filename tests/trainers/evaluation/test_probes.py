"""Probes and their scores against scikit-learn; the tasks they answer; perplexity by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.preprocessing import StandardScaler
from transformers import AutoModelForMaskedLM

from bali_platform.base.errors import BaliError
from bali_trainers.evaluation import (
    Example,
    MaskedTextTask,
    evaluate_classes,
    evaluate_perplexity,
    official_folds,
    read_marked_relations,
    read_questions,
    report,
    split_task,
)
from bali_trainers.evaluation.agreement import compare_classes, count_classes, estimate_classes
from bali_trainers.evaluation.probe import choose_penalty, fit_probes


@pytest.mark.parametrize(("rows", "columns"), [(90, 6), (40, 60)])
def test_probes_are_scikit_learns(rows: int, columns: int) -> None:
    random = np.random.default_rng(1)
    features = random.normal(3, 2, (rows, columns)).astype(np.float32)
    features[:, 4] = features[:, 0] + features[:, 1]
    features[:, 5] = 7  # never varies
    labels = (features[:, :3] + random.normal(size=(rows, 3))).argmax(axis=1)
    penalties = [0.5, 20.0]
    scaled = StandardScaler().fit_transform(features.astype(float))
    for penalty, probe in zip(penalties, fit_probes(features, labels, 3, penalties), strict=True):
        ours = probe.logits(features)
        theirs = LogisticRegression(C=1 / penalty, tol=1e-8, max_iter=1000).fit(scaled, labels)
        ours -= ours.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(ours, theirs.decision_function(scaled), atol=2e-3)


def test_noise_asks_for_a_large_penalty_and_signal_for_a_small_one() -> None:
    random = np.random.default_rng(2)
    labels = np.arange(90) % 2
    noise = random.normal(size=(90, 60)).astype(np.float32)
    assert choose_penalty(np.zeros((90, 3), dtype=np.float32), labels, 2) == 1000
    signal = np.concatenate([noise[:, :2], labels[:, None] * 1e-3], axis=1).astype(np.float32)
    (probe,) = fit_probes(signal, labels, 2, [choose_penalty(signal, labels, 2)])
    assert (probe.predict(signal) == labels).all()


def test_scores_of_classes_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(3)
    wanted, predicted = random.integers(0, 4, 200), random.integers(0, 4, 200)
    predicted[:80] = wanted[:80]
    counts = count_classes(predicted, wanted, random.integers(0, 20, 200), 4)
    every = estimate_classes(counts)
    assert every["accuracy"].value == pytest.approx(accuracy_score(wanted, predicted))
    assert every["micro F1"].value == pytest.approx(accuracy_score(wanted, predicted))
    assert every["macro F1"].value == pytest.approx(f1_score(wanted, predicted, average="macro"))
    assert all(e.low < e.value < e.high for e in every.values())
    related = estimate_classes(counts, negative=2)
    for average in ("micro", "macro"):
        theirs = f1_score(wanted, predicted, labels=[0, 1, 3], average=average)
        assert related[f"{average} F1"].value == pytest.approx(theirs)


def test_gains_are_paired() -> None:
    random = np.random.default_rng(4)
    wanted, documents = random.integers(0, 3, 300), np.arange(300) // 2
    worse = np.where(random.random(300) < 0.6, wanted, (wanted + 1) % 3)
    better = worse.copy()
    better[::5] = wanted[::5]
    a, b = (count_classes(p, wanted, documents, 3) for p in (worse, better))
    gain = compare_classes(b, a)
    expected = (better == wanted).mean() - (worse == wanted).mean()
    assert gain["accuracy"].value == pytest.approx(expected)
    assert all(d.low > 0 and d.p < 0.001 for d in gain.values())
    assert all(
        (d.value, d.low, d.high, d.p) == (0, 0, 0, 1) for d in compare_classes(a, a).values()
    )


def test_folds_of_pubmedqa() -> None:
    labels = ["yes"] * 276 + ["no"] * 169 + ["maybe"] * 55
    folds = official_folds(labels)
    assert sorted(np.concatenate(folds).tolist()) == list(range(500))
    assert [len(fold) for fold in folds] == [50] * 10
    shares = np.array([[sum(labels[i] == x for i in f) for x in ("yes", "no")] for f in folds])
    assert (abs(shares - [27.6, 16.9]) <= 4).all()
    # Places in the published split, which draws from one generator with seed 0.
    assert folds[0][:5].tolist() == FIRST_OF_FOLD_0


FIRST_OF_FOLD_0 = [5, 18, 34, 40, 45]


def test_questions_are_answered_from_their_contexts(
    tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    answers = ["yes", "no"] * 18
    rows = {
        str(i): {
            "QUESTION": f"w{i} w1",
            "CONTEXTS": ["w80 w81" if answer == "yes" else "w20 w21", f"w{i}"],
            "final_decision": answer,
            "LONG_ANSWER": answer,
        }
        for i, answer in enumerate(answers)
    }
    path = tmp_path / "qa.json"
    path.write_text(json.dumps(rows))
    task = read_questions(path)
    assert task.examples[0].texts == ("w0 w1", "w80 w81 w0")
    (base,) = evaluate_classes(str(tiny_model()), task)
    (wide,) = evaluate_classes(str(tiny_model(hidden_size=32)), task)
    found = report(task, [base, wide])
    assert (found.facts["test"], found.facts["folds"]) == (36, 10)
    assert found.sections["all"].models[base.model]["accuracy"].value > 0.9
    assert list(found.sections["all"].differences) == [wide.model]
    assert type(found).model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[1]", "not questions of PubMedQA"),
        ('{"1": {"QUESTION": "a", "CONTEXTS": []}}', "not questions of PubMedQA, .*final_decision"),
        (
            '{"1": {"QUESTION": "a", "CONTEXTS": [], "final_decision": "so"}}',
            "answer 'so' is none of yes, no, maybe",
        ),
        (
            '{"1": {"QUESTION": "a", "CONTEXTS": [], "final_decision": "no"}}',
            "1 examples are too few",
        ),
    ],
)
def test_bad_questions_are_named(content: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "qa.json").write_text(content)
    with pytest.raises(BaliError, match=problem):
        read_questions(tmp_path / "qa.json")


def test_marks_are_taken_out_of_relations(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    rows = [("a [[ b c ]], d << e >>.", "X"), ("<< a >> [[ b ]]", "Y")]
    path.write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in rows))
    assert read_marked_relations(path) == [
        Example(("a b c, d e.",), (((9, 10),), ((2, 5),)), "X", "a b c, d e."),
        Example(("a b",), (((0, 1),), ((2, 3),)), "Y", "a b"),
    ]
    path.write_text('{"text": "a [[ b ]]", "label": "X"}')
    with pytest.raises(BaliError, match="line 1: not a text with two things marked"):
        read_marked_relations(path)


def relation(i: int, label: str) -> Example:
    text = f"w{i} w{40 + i % 9} w7"
    middle, end = text.index(" ") + 1, len(text)
    first, last = ((0, middle - 1),), ((end - 2, end),)
    spans = (first, last) if label == "up" else (last, first)
    return Example((text,), spans, label, text)


def test_relations_are_told_by_what_is_marked(tiny_model: Callable[..., Path]) -> None:
    labels = ["up", "down"]
    train = [relation(i, labels[i % 2]) for i in range(10, 40)]
    test = [relation(i, labels[i % 2]) for i in range(50, 62)]
    task = split_task("relations", "toy", train, test, negative="down")
    (outcome,) = evaluate_classes(str(tiny_model()), task)
    found = report(task, [outcome])
    assert [found.facts[name] for name in ("train", "test", "folds")] == [30, 12, 1]
    assert found.sections["all"].models[outcome.model]["micro F1"].value == 1
    with pytest.raises(BaliError, match="1 test documents are also in the training part"):
        split_task("relations", "toy", train, [*test, train[0]])
    with pytest.raises(BaliError, match="toy: no examples to learn from"):
        split_task("relations", "toy", [], test)
    with pytest.raises(BaliError, match="no training example has the label 'other'"):
        split_task("relations", "toy", train, [relation(60, "other")])


TEXTS = ("w1 w2 w3 w4 w5 w6 w7", "w9", "w3 w4 w5 w3 w4", *(f"w{i} w{i + 1}" for i in range(30)))
TASK = MaskedTextTask(TEXTS)


def test_perplexity_is_that_of_the_models_own_head(
    tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tiny_model()
    (outcome,) = evaluate_perplexity(str(folder), TASK)
    found = report(TASK, [outcome, replace(outcome, model="again")])
    assert outcome.notes["tokens"] == len(outcome.losses) >= 3
    every = found.sections["all"]
    perplexity = np.exp(outcome.losses.mean())
    assert every.models[outcome.model]["perplexity"].value == pytest.approx(perplexity)
    assert every.differences["again"]["ratio"].value == 1
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    uniform = np.log(model.config.vocab_size)
    assert outcome.losses.mean() == pytest.approx(uniform, abs=0.3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (zero,) = evaluate_perplexity(str(tmp_path), TASK)
    np.testing.assert_allclose(zero.losses, uniform, atol=1e-5)


def test_models_without_a_head_or_with_other_pieces_are_refused(
    tiny_model: Callable[..., Path],
) -> None:
    with pytest.raises(BaliError, match="has no masked-language-model head"):
        evaluate_perplexity(str(tiny_model(headless=True)), TASK)
    tasks = TASK, MaskedTextTask(TEXTS[1:])
    one, other = (evaluate_perplexity(str(tiny_model()), task)[0] for task in tasks)
    with pytest.raises(BaliError, match="cut words into other pieces"):
        report(TASK, [one, other])
