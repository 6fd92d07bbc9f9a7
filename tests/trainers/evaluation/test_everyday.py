"""Everyday sentences before and after: scores by hand and against SciPy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from bali_trainers.evaluation import EverydayTask, evaluate_everyday, everyday_task, report
from bali_trainers.evaluation.everyday import kept_neighbours, rank_correlations


def matrix(seed: int, size: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).integers(0, 30, (size, size)) / 30
    return (drawn + drawn.T) / 2


def test_triplets_are_distinct_sentences() -> None:
    triplets = everyday_task().triplets
    sentences = [sentence for triplet in triplets for sentence in triplet]
    assert len(triplets) == 60
    assert len(set(sentences)) == 180
    assert all(sentence.endswith(".") for sentence in sentences)


def test_kept_neighbours_by_hand() -> None:
    before = np.array(
        [[1, 0.9, 0.1, 0.2], [0.9, 1, 0.5, 0.6], [0.1, 0.5, 1, 0.7], [0.2, 0.6, 0.7, 1]]
    )
    after = before.copy()
    after[0, 1], after[0, 2] = 0.1, 0.9
    assert kept_neighbours(before, after, 1).tolist() == [0, 1, 1, 1]
    assert kept_neighbours(before, after, 2).tolist() == [0.5, 1, 1, 1]
    assert kept_neighbours(before, after, 9).tolist() == [1, 1, 1, 1]


@given(one=st.integers(0, 99), other=st.integers(0, 99), size=st.integers(5, 9))
def test_correlations_are_scipys(one: int, other: int, size: int) -> None:
    before, after = matrix(one, size), matrix(other, size)
    found = rank_correlations(before, after)
    for row in range(size):
        rest = np.arange(size) != row
        expected = spearmanr(before[row, rest], after[row, rest]).statistic
        assert found[row] == pytest.approx(expected)


def test_a_model_agrees_with_itself_and_less_with_another(
    tiny_model: Callable[..., Path],
) -> None:
    words = [f"w{i} w{i + 1} w{i + 2}" for i in range(30)]
    task = EverydayTask(tuple((words[i], words[i + 1], words[i + 20]) for i in range(8)))
    models = str(tiny_model()), str(tiny_model(hidden_size=32))
    base, other = (evaluate_everyday(model, task)[0] for model in models)
    assert base.cosines.shape == (24, 24)
    nearer = [base.cosines[i, i + 1] > base.cosines[i, i + 2] for i in range(0, 24, 3)]
    assert base.scores["paraphrase"].tolist() == [float(value) for value in nearer]
    (same,) = evaluate_everyday(models[0], task)
    found = report(task, [base, same]).sections["agreement"].models[models[0]]
    assert found["neighbours kept"].value == 1
    assert found["rank correlation"].value == pytest.approx(1)
    compared = report(task, [base, other])
    agreement = compared.sections["agreement"].models[models[1]]
    assert agreement["neighbours kept"].value < 1
    assert agreement["rank correlation"].value < 0.99
    assert type(compared).model_validate_json(compared.model_dump_json()) == compared
