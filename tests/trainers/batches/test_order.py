from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bali_platform.text.corpus import Sentence
from bali_trainers.batches.order import epoch_order, split, steps_per_epoch
from bali_trainers.batches.sentences import LinkedSentences
from bali_trainers.batches.spec import DataSpec

COUNTS = st.integers(1, 900)
STEPS = st.integers(1, 40)


def lengths_of(count: int) -> np.ndarray:
    return np.random.default_rng(count).lognormal(4.5, 0.6, count).astype(np.int32)


@settings(max_examples=50)
@given(count=COUNTS, step=STEPS, seed=st.integers(0, 2**62), epoch=st.integers(0, 2**32 - 1))
def test_every_sentence_is_shown_once_an_epoch(
    count: int, step: int, seed: int, epoch: int
) -> None:
    order = epoch_order(lengths_of(count), step, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(order).tolist()) == list(range(count))
    sizes = {len(rows) for rows in order}
    assert max(sizes) <= step
    assert max(sizes) - min(sizes) <= 1
    assert len(order) == steps_per_epoch(count, step)
    again = epoch_order(lengths_of(count), step, seed=seed, epoch=epoch)
    assert all(np.array_equal(one, other) for one, other in zip(order, again, strict=True))


@settings(max_examples=30)
@given(count=COUNTS, seed=st.integers(0, 2**62), data=st.data())
def test_what_is_held_out_is_never_trained_on(count: int, seed: int, data: st.DataObject) -> None:
    held_out = data.draw(st.integers(0, count))
    train, dev = split(count, held_out, seed=seed)
    assert len(dev) == held_out
    assert sorted([*train.tolist(), *dev.tolist()]) == list(range(count))


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    lengths = lengths_of(200)
    orders = [
        np.concatenate(epoch_order(lengths, 10, seed=seed, epoch=epoch)).tolist()
        for seed in (1, 2)
        for epoch in (0, 1)
    ]
    assert len(set(map(tuple, orders))) == 4


def test_sentences_of_a_step_are_of_like_length() -> None:
    lengths = lengths_of(5000)
    order = epoch_order(lengths, 16, seed=1, epoch=0)
    slots = sum(len(rows) * lengths[rows].max() for rows in order)
    assert lengths.sum() > 0.92 * slots


def test_long_and_short_steps_come_in_random_order() -> None:
    lengths = lengths_of(2000)
    means = np.array(
        [
            [lengths[rows].mean() for rows in epoch_order(lengths, 16, seed=1, epoch=epoch)]
            for epoch in range(40)
        ]
    )
    spread = means.std() / np.sqrt(len(means))
    assert abs(means.mean(axis=0) - means.mean()).max() < 5 * spread
    neighbours = np.corrcoef(means[:, :-1].ravel(), means[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 5 / np.sqrt(means.size)


def test_who_shares_a_step_changes_with_the_epoch() -> None:
    lengths = lengths_of(2000)
    together = [
        {frozenset(rows.tolist()) for rows in epoch_order(lengths, 16, seed=1, epoch=epoch)}
        for epoch in (0, 1)
    ]
    assert not together[0] & together[1]


@pytest.mark.parametrize("count", [1, 3])
def test_so_many_sentences_are_drawn_for_each_concept(
    count: int, make_spec: Callable[..., DataSpec], sentences: list[Sentence]
) -> None:
    def texts(**changes: Any) -> list[str]:
        chosen = LinkedSentences(make_spec(**changes))
        return chosen.take(np.arange(len(chosen))).texts

    every, drawn = texts(), texts(sentences_per_concept=count)
    mentioned = {s.text: {mention.cui for mention in s.mentions} for s in sentences}
    there, kept = (Counter(c for t in some for c in mentioned[t]) for some in (every, drawn))
    assert all(kept[cui] >= min(count, number) for cui, number in there.items())
    needed = {cui for cui, number in there.items() if number > count}
    assert len(drawn) <= count * len(there), "no more than were drawn"
    assert len(drawn) < len(every)
    assert any(kept[cui] < there[cui] for cui in needed)
    assert drawn == [text for text in every if text in set(drawn)], "in the corpus's order"
    assert texts(sentences_per_concept=count) == drawn
    assert texts(sentences_per_concept=count, seed=8) != drawn
    assert texts(sentences_per_concept=10_000) == every
