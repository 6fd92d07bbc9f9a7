from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bali_trainers.objectives.contrast import Contrasted, PairLosses, multi_similarity, nt_xent


def brute_force(vectors, labels, temperature, hard=0):
    """The published formula, one ordered pair at a time; the last vectors are negatives only."""
    unit = [vector / vector.norm() for vector in vectors]
    losses = []
    both = range(len(unit) - hard)
    for i in both:
        anchor = unit[i]
        negatives = [
            torch.exp(anchor @ unit[n] / temperature)
            for n in range(len(unit))
            if labels[n] != labels[i]
        ]
        for p in both:
            if p != i and labels[p] == labels[i]:
                positive = torch.exp(anchor @ unit[p] / temperature)
                losses.append(-torch.log(positive / (positive + sum(negatives))))
    return losses


def mean(pairs: PairLosses) -> torch.Tensor:
    return pairs.losses.sum() / pairs.pairs.sum()


def ours(vectors, labels, temperature):
    return nt_xent(Contrasted(vectors, labels, vectors, labels), temperature)


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=7),
    temperature=st.sampled_from([0.07, 0.2, 1.0]),
    seed=st.integers(0, 1000),
)
def test_equals_brute_force_in_value_and_gradient(labels, temperature, seed):
    generator = torch.Generator().manual_seed(seed)
    both = torch.tensor(labels * 2)
    vectors = torch.randn(len(both), 5, generator=generator, dtype=torch.float64)
    mine, theirs = vectors.clone().requires_grad_(), vectors.clone().requires_grad_()
    loss = mean(ours(mine, both, temperature))
    expected = torch.stack(brute_force(theirs, both.tolist(), temperature)).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-6, atol=1e-6)


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=6),
    hard=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    seed=st.integers(0, 1000),
)
def test_hard_negatives_are_told_from_but_never_sought(labels, hard, seed):
    generator = torch.Generator().manual_seed(seed)
    every = torch.tensor([*labels * 2, *hard])
    vectors = torch.randn(len(every), 5, generator=generator, dtype=torch.float64)
    mine, theirs = vectors.clone().requires_grad_(), vectors.clone().requires_grad_()
    own = 2 * len(labels)
    loss = mean(nt_xent(Contrasted(mine[:own], every[:own], mine, every, hard=len(hard))))
    expected = torch.stack(brute_force(theirs, every.tolist(), 0.07, len(hard))).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=1e-6)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-6, atol=1e-6)


@given(seed=st.integers(0, 1000))
def test_kin_are_neither_told_from_nor_sought(seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(4).repeat(2)
    vectors = torch.randn(8, 5, generator=generator, dtype=torch.float64)
    related = torch.rand(4, 4, generator=generator) < 0.4
    kin = (related | related.T)[labels][:, labels]
    found = nt_xent(Contrasted(vectors, labels, vectors, labels, kin=kin)).losses
    for anchor in range(8):
        told_from = [n for n in range(8) if labels[n] == labels[anchor] or not kin[anchor, n]]
        some = torch.tensor(told_from)
        alone = nt_xent(
            Contrasted(
                vectors[[anchor]],
                labels[[anchor]],
                vectors[some],
                labels[some],
                first=told_from.index(anchor),
            )
        )
        torch.testing.assert_close(alone.losses[0], found[anchor, some])
        assert (
            alone.candidates
            == nt_xent(Contrasted(vectors, labels, vectors, labels, kin=kin)).candidates[anchor]
        )


def test_half_precision_stops_before_the_similarities():
    torch.manual_seed(0)
    vectors, labels = torch.randn(12, 8), torch.arange(6).repeat(2)
    expected = ours(vectors, labels, 0.07).losses
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(ours(vectors, labels, 0.07).losses, expected)


def test_counts_every_ordered_pair_of_a_concept():
    labels = torch.tensor([7, 7, 8, 7, 7, 8])
    result = ours(torch.randn(6, 3), labels, 0.07)
    assert result.pairs.tolist() == [3, 3, 1, 3, 3, 1]
    assert result.candidates.tolist() == [3, 3, 5, 3, 3, 5]
    assert (result.losses > 0).sum(1).tolist() == result.pairs.tolist()


def test_one_concept_alone_has_nothing_to_be_told_from():
    vectors = torch.randn(2, 3, requires_grad=True)
    loss = mean(ours(vectors, torch.tensor([1, 1]), 0.07))
    loss.backward()
    assert loss.item() == 0
    assert vectors.grad.abs().sum() == 0


def test_stays_finite_where_exponentials_would_overflow():
    vectors = torch.eye(4)[[0, 0, 1, 1]].requires_grad_()
    loss = mean(ours(vectors, torch.tensor([0, 1, 0, 1]), 1e-3))
    loss.backward()
    assert loss.item() == pytest.approx(1000 + math.log(1), rel=1e-5)
    assert vectors.grad.isfinite().all()


def test_rows_of_a_part_add_up_to_the_whole():
    torch.manual_seed(0)
    vectors, labels = torch.randn(10, 4), torch.randint(0, 3, (10,))
    whole = ours(vectors, labels, 0.07).losses.sum()
    parts = [
        nt_xent(Contrasted(vectors[a:b], labels[a:b], vectors, labels, first=a)).losses.sum()
        for a, b in [(0, 3), (3, 10)]
    ]
    torch.testing.assert_close(sum(parts), whole)


@given(
    labels=st.lists(st.integers(0, 3), min_size=1, max_size=6),
    seed=st.integers(0, 1000),
)
def test_multi_similarity_equals_its_formula(labels, seed):
    generator = torch.Generator().manual_seed(seed)
    both = labels * 2
    vectors = torch.randn(len(both), 5, generator=generator, dtype=torch.float64)
    unit = [vector / vector.norm() for vector in vectors]
    expected = []
    for i, anchor in enumerate(unit):
        pull = sum(
            math.exp(-2 * (float(anchor @ unit[p]) - 0.5))
            for p in range(len(both))
            if p != i and both[p] == both[i]
        )
        push = sum(
            math.exp(50 * (float(anchor @ unit[n]) - 0.5))
            for n in range(len(both))
            if both[n] != both[i]
        )
        expected.append(math.log1p(pull) / 2 + math.log1p(push) / 50)
    found = multi_similarity(Contrasted(vectors, torch.tensor(both), vectors, torch.tensor(both)))
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
