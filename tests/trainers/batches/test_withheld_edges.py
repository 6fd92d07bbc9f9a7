"""Edges that are kept from training are in no batch, however it is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali_platform.streaming import BatchKey
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.edges import is_withheld_edge, without_withheld
from bali_trainers.batches.mentions import concept_label

FRACTION = 0.4
CUI = st.from_regex(r"C\d{1,7}", fullmatch=True)


@given(one=CUI, other=CUI, share=st.floats(0, 0.9), more=st.floats(0, 0.09))
def test_the_choice_is_of_pairs_and_grows_with_the_fraction(
    one: str, other: str, share: float, more: float
) -> None:
    withheld = is_withheld_edge(one, other, share)
    assert withheld == is_withheld_edge(other, one, share)
    assert not withheld or is_withheld_edge(one, other, share + more)


def test_the_share_is_as_asked() -> None:
    hits = [is_withheld_edge(f"C{i}", f"C{7 * i + 1}", 0.1) for i in range(4000)]
    assert 0.08 < np.mean(hits) < 0.12


def test_a_source_loses_these_edges_and_nothing_else(graph: Any) -> None:
    shown = without_withheld(graph, FRACTION).neighbourhoods(list(graph.concepts)).found
    lost = 0
    for cui, whole in graph.concepts.items():
        gone = {e for e in whole.edges if is_withheld_edge(cui, e.neighbour, FRACTION)}
        assert [e for e in whole.edges if e not in gone] == list(shown[cui].edges)
        assert shown[cui].names == whole.names
        lost += len(gone)
    assert lost
    assert without_withheld(graph, 0.0) is graph


@pytest.mark.parametrize("hops", [1, 2])
def test_no_batch_joins_withheld_pairs(
    graph: Any, make_builder: Callable[..., BatchBuilder], hops: int
) -> None:
    cui_of = {concept_label(cui): cui for cui in graph.concepts}

    def pairs(fraction: float) -> set[tuple[str, str]]:
        builder = make_builder(withheld_edges=fraction, hops=hops, neighbours=5, hard_negatives=2)
        found = set()
        for index in range(6):
            arrays = builder.build(BatchKey(0, index))
            concepts = [cui_of[label] for label in arrays["node_concept"].tolist()]
            found |= {(concepts[a], concepts[b]) for a, b in arrays["edge_index"].T.tolist()}
        return found

    assert any(is_withheld_edge(*pair, FRACTION) for pair in pairs(0.0))
    kept = pairs(FRACTION)
    assert kept
    assert not any(is_withheld_edge(*pair, FRACTION) for pair in kept)
