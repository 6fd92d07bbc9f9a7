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
    parts = Layout(rows=rows, part_cost=cost).cut(np.array(lengths))
    covered = [row for part in parts for row in range(part.first, part.last)]
    assert covered == list(range(len(lengths)))
    for part in parts:
        own = lengths[part.first : part.last]
        assert part.width == max(own)
        assert part.full == (min(own) == max(own))
        assert len(own) <= (rows or len(lengths))


@given(lengths=LENGTHS, filled=st.integers(0, 90), cost=st.integers(0, 60))
def test_no_other_cut_costs_less(lengths, filled, cost):
    def total(slots):
        return sum(max(each, filled) + cost for each in slots)

    def slots(bounds):
        pairs = zip([0, *bounds], [*bounds, len(lengths)], strict=True)
        return [(right - left) * lengths[right - 1] for left, right in pairs]

    parts = Layout(filled, part_cost=cost).cut(np.array(lengths))
    inner = [row for row in range(1, len(lengths)) if lengths[row - 1] < lengths[row]]
    every = (bounds for size in range(len(inner) + 1) for bounds in combinations(inner, size))
    assert total(part.slots for part in parts) == min(total(slots(each)) for each in every)


@given(lengths=LENGTHS)
def test_parts_that_cost_nothing_have_no_padding(lengths):
    assert sum(part.slots for part in Layout(part_cost=0).cut(np.array(lengths))) == sum(lengths)


def test_equally_many_passes_are_one_pass():
    parts = Layout(whole=True).cut(np.array([1, 5, 9]))
    assert parts == ((0, 3, 9, False),)


@pytest.mark.parametrize("layout", [Layout(), Layout(2048)])
def test_thousands_of_rows_are_cut(layout):
    lengths = np.sort(np.random.default_rng(0).integers(3, 129, 4000))
    slots = sum(part.slots for part in layout.cut(lengths))
    assert lengths.sum() <= slots < 1.03 * lengths.sum()
