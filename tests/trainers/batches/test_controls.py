"""Controls: broken graphs and links, and what of the real ones is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bali_platform.streaming import BatchKey
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.controls import BrokenGraph
from bali_trainers.batches.mentions import concept_label


@pytest.fixture
def broken(graph: Any) -> Callable[..., BrokenGraph]:
    def make(kind: Any = "shuffled", cuis: Any = tuple(graph.concepts), seed: int = 1) -> Any:
        relations = ("TREATS", "CHD")
        return BrokenGraph(graph, cuis, kind=kind, relation_types=relations, seed=seed)

    return make


def test_shuffled_concepts_exchange_their_edges(graph: Any, broken: Any) -> None:
    cuis = list(graph.concepts)
    found = broken().neighbourhoods(cuis).found
    assert {cui: (n.cui, n.names) for cui, n in found.items()} == {
        cui: (n.cui, n.names) for cui, n in graph.concepts.items()
    }
    edges = Counter(edge for n in graph.concepts.values() for edge in n.edges)
    shuffled = Counter(edge for n in found.values() for edge in n.edges)
    assert not shuffled - edges, "no edge is invented or taken twice"
    loops = (edges - shuffled).total()
    assert loops < 0.1 * edges.total(), "those that would lead to their own concept are left out"
    kept = [
        cui for cui in cuis if found[cui].edges and found[cui].edges == graph.concepts[cui].edges
    ]
    assert kept == []
    assert all(edge.neighbour != cui for cui, n in found.items() for edge in n.edges)


def test_random_edges_are_as_many_and_lead_anywhere(graph: Any, broken: Any) -> None:
    cuis = list(graph.concepts)
    found = broken("random").neighbourhoods(cuis).found
    real = sum(len(graph.concepts[cui].edges) for cui in cuis)
    drawn = [edge for n in found.values() for edge in n.edges]
    assert 0.9 * real < len(drawn) <= real
    assert all(edge.neighbour != cui for cui, n in found.items() for edge in n.edges)
    assert {edge.neighbour for edge in drawn} == set(cuis)
    assert {(edge.type, edge.outgoing) for edge in drawn} == {
        (kind, way) for kind in ("TREATS", "CHD") for way in (True, False)
    }


@pytest.mark.parametrize("kind", ["shuffled", "random"])
def test_what_a_concept_gets_depends_on_it_and_the_seed(graph: Any, broken: Any, kind: str) -> None:
    cuis = list(graph.concepts)
    whole = broken(kind).neighbourhoods(cuis).found
    alone = broken(kind, cuis[::-1])
    assert all(alone.neighbourhoods([cui]).found[cui] == whole[cui] for cui in cuis)
    assert broken(kind, seed=2).neighbourhoods(cuis).found != whole


def test_retired_and_unknown_concepts_are_looked_up_as_ever(graph: Any, broken: Any) -> None:
    graph.replaced["C9999999"] = "C0000001"
    source = broken(cuis=["C9999999", "C0000002", "C8888888"])
    found = source.neighbourhoods(["C9999999", "C0000001", "C8888888", "C0000005"])
    graph.replaced.clear()
    assert found.missing == ("C8888888",)
    assert found.found["C9999999"] == found.found["C0000001"]
    others = {graph.concepts[cui].edges for cui in ("C0000001", "C0000002")}
    assert found.found["C0000001"].edges == tuple(
        edge for edge in graph.concepts["C0000002"].edges if edge.neighbour != "C0000001"
    )
    assert found.found["C0000005"].edges in {
        tuple(edge for edge in edges if edge.neighbour != "C0000005") for edges in others
    }, "a concept outside the corpus has the edges of one in it"


def test_a_batch_of_a_broken_graph_has_the_same_text(
    make_builder: Callable[..., BatchBuilder],
) -> None:
    real, shuffled = (
        make_builder(graph=kind).build(BatchKey(0, 0)) for kind in ("real", "shuffled")
    )
    for name in ("input_ids", "labels", "mention_tokens", "mention_concept"):
        np.testing.assert_array_equal(real[name], shuffled[name])
    assert Counter(real["node_concept"].tolist()) != Counter(shuffled["node_concept"].tolist())


def test_shuffled_links_are_the_same_concepts_elsewhere(
    make_builder: Callable[..., BatchBuilder], sentences: Any
) -> None:
    keys = [BatchKey(0, index) for index in range(make_builder().steps_per_epoch)]
    real, shuffled = (
        [make_builder(links=links).build(key) for key in keys] for links in ("real", "shuffled")
    )
    for one, other in zip(real, shuffled, strict=True):
        np.testing.assert_array_equal(one["input_ids"], other["input_ids"])
    known = {concept_label(m.cui) for s in sentences for m in s.mentions}
    labels = [np.concatenate([b["mention_concept"] for b in some]) for some in (real, shuffled)]
    assert set(labels[1].tolist()) <= known
    assert (
        sum(map(np.array_equal, *[[b["mention_concept"] for b in s] for s in (real, shuffled)]))
        == 0
    )
