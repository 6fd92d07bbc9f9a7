from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali_trainers.batches.layout import Layout

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=9).map(sorted)


@given(lengths=LENGTHS, cost=st.integers(0, 60), rows=st.none() | st.integers(1, 4))
def test_parts_hold_every_row_once_in_order(lengths, cost, rows):
    parts = Layout(cost, rows).cut(np.array(lengths))
    covered = [row for part in parts for row in range(part.first, part.last)]
    assert covered == list(range(len(lengths)))
    for part in parts:
        own = lengths[part.first : part.last]
        assert part.width == max(own)
        assert part.full == (min(own) == max(own))
        assert len(own) <= (rows or len(lengths))


@given(lengths=LENGTHS, cost=st.integers(0, 60))
def test_no_other_cut_costs_less(lengths, cost):
    def total(bounds):
        pairs = zip([0, *bounds], [*bounds, len(lengths)], strict=True)
        return sum((right - left) * lengths[right - 1] + cost for left, right in pairs)

    parts = Layout(cost).cut(np.array(lengths))
    found = sum(part.slots + cost for part in parts)
    inner = range(1, len(lengths))
    every = (bounds for size in range(len(lengths)) for bounds in combinations(inner, size))
    assert found == min(map(total, every))


@given(lengths=LENGTHS)
def test_parts_that_cost_nothing_have_no_padding(lengths):
    assert sum(part.slots for part in Layout(0).cut(np.array(lengths))) == sum(lengths)


def test_equally_many_passes_are_one_pass():
    parts = Layout(0, whole=True).cut(np.array([1, 5, 9]))
    assert parts == ((0, 3, 9, False),)


@pytest.mark.parametrize("layout", [Layout(), Layout(2048)])
def test_thousands_of_rows_are_cut(layout):
    lengths = np.sort(np.random.default_rng(0).integers(3, 129, 4000))
    slots = sum(part.slots for part in layout.cut(lengths))
    assert lengths.sum() <= slots < 1.08 * lengths.sum()
