"""Hard negatives: concepts beside the mentioned ones, or of like names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from bali_platform.streaming.source import BatchKey
from bali_platform.subgraphs import Edge, Neighbourhood
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.lookalikes import LookAlikes, likeness
from bali_trainers.batches.mentions import concept_label
from bali_trainers.batches.names import NameDrawer
from bali_trainers.batches.negatives import draw_negatives

MakeBuilder = Callable[..., BatchBuilder]


def test_hard_negatives_are_siblings_or_look_alikes_that_are_not_mentioned(
    make_builder: MakeBuilder, graph: Any
) -> None:
    batch = make_builder(hard_negatives=2, batch_size=4).build(BatchKey(0, 0))
    by_label = {concept_label(cui): concept for cui, concept in graph.concepts.items()}
    mentioned = set(batch["mention_concept"].tolist())
    negatives = batch["negative_concept"].tolist()
    assert 0 < len(negatives) == len(set(negatives)) <= 2 * len(mentioned)
    assert not mentioned & set(negatives)
    assert batch["node_concept"][batch["negative_node"]].tolist() == negatives
    siblings = {
        concept_label(other.neighbour)
        for label in mentioned
        for edge in by_label[label].edges
        for other in graph.concepts[edge.neighbour].edges
        if (other.type, other.outgoing) == (edge.type, not edge.outgoing)
    }
    names = {label: concept.names[0] for label, concept in by_label.items()}
    for negative in set(negatives) - siblings:
        assert max(likeness(names[label], names[negative]) for label in mentioned) > 0.3
    assert siblings & set(negatives)


def test_the_first_hard_negatives_are_those_with_like_names(make_builder: MakeBuilder) -> None:
    names = {"C0": "acute gastritis", "C1": "acute gastritis A", "C2": "acute hepatitis"}
    names |= {f"C{n}": f"something else {n}" for n in range(3, 10)}
    up = {cui: Edge("P", "CHD", True) for cui in names}
    down = tuple(Edge(cui, "CHD", False) for cui in names)
    concepts = {cui: Neighbourhood(cui, (name,), (up[cui],)) for cui, name in names.items()}
    source = dataclasses.replace(
        make_builder()._source, concepts={**concepts, "P": Neighbourhood("P", ("disease",), down)}
    )
    for count, expected in ((1, {"C1"}), (2, {"C1"}), (4, {"C1", "C2"})):
        drawn = draw_negatives(
            [concepts["C0"]],
            source,
            NameDrawer(source, 0.0),
            LookAlikes([], source),
            count=count,
            random=np.random.default_rng(count),
        )
        assert len(drawn) == count
        assert expected <= {negative.cui for negative in drawn}


def test_look_alikes_need_not_be_siblings(make_builder: MakeBuilder) -> None:
    names = {"C0": "acute gastritis", "C1": "acute gastritis A", "C2": "Acute Gastritis"}
    names |= {"OLD": "acute gastritis B", "C3": "something else"}
    concepts = {cui: Neighbourhood(cui, (name,), ()) for cui, name in names.items()}
    source = dataclasses.replace(
        make_builder()._source, concepts=concepts, replaced={"OLD": "C3", "C9": "C0"}
    )
    drawn = draw_negatives(
        [concepts["C0"]],
        source,
        NameDrawer(source, 0.0),
        LookAlikes([*names, "C9"], source),
        count=4,
        random=np.random.default_rng(1),
    )
    # One of the same name cannot be told apart by it, and a retired one stands for its successor.
    assert [negative.cui for negative in drawn] == ["C1", "C3"]
