from __future__ import annotations

import pytest

from bali_trainers.training.best import Best


@pytest.mark.parametrize(
    ("metric", "values", "steps"),
    [("loss", [3.0, 2.0, 2.0, 1.0], [1, 2, 4]), ("mlm/accuracy", [0.1, 0.3, 0.2, 0.4], [1, 2, 4])],
)
def test_lower_losses_and_higher_others_are_better(metric, values, steps):
    best = Best(metric)
    better = [n for n, value in enumerate(values, start=1) if best.update(n, {metric: value})]
    assert better == steps
    assert (best.step, best.value) == (4, values[-1])


def test_patience_ends_and_begins_anew():
    best = Best("loss", patience=2)
    states = []
    for step, value in enumerate([5.0, 6.0, 4.0, 4.0, 4.5], start=1):
        best.update(step, {"loss": value})
        states.append(best.exhausted)
    assert states == [False, False, False, False, True]
