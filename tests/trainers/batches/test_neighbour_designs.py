"""What a batch may hide, prefer and spare, so that neighbours are worth reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from tests.trainers.batches.readings import ByName, names_in, nodes_of
from tokenizers import Tokenizer

from bali_platform.graph.names import name_key
from bali_platform.streaming.source import BatchKey
from bali_platform.subgraphs import HIERARCHICAL, Neighbourhood
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.families import families
from bali_trainers.batches.mentions import concept_label

MakeBuilder = Callable[..., BatchBuilder]
KEY = BatchKey(0, 0)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_hidden_names_are_the_mask_token_and_nothing_else_changes(
    make_builder: MakeBuilder, tokenizer: Tokenizer, share: float
) -> None:
    options: dict[str, Any] = {"synonyms": True, "further_concepts": 5, "hard_negatives": 1}
    plain = make_builder(**options).build(KEY)
    hidden = make_builder(**options, hidden_names=share).build(KEY)
    masked = tuple(tokenizer.encode("[MASK]").ids)
    before = [names_in(plain)[row] for row in plain["node_name"]]
    after = [names_in(hidden)[row] for row in hidden["node_name"]]
    roots = len(plain["target_node"]) + len(plain["negative_node"]) + len(plain["further_node"])
    assert after[roots:] == before[roots:]
    unseen = [name == masked for name in after[:roots]]
    assert all(unseen) if share == 1 else 0.2 < np.mean(unseen) < 0.8
    assert all(hide or old == new for hide, old, new in zip(unseen, before, after, strict=False))
    for array in ("name_pairs", "mention_name"):
        texts = [
            [batch_names[row] for row in batch[array].ravel()]
            for batch, batch_names in ((plain, names_in(plain)), (hidden, names_in(hidden)))
        ]
        assert texts[0] == texts[1]
    same = plain.keys() - {"name_input_ids", "name_attention_mask", "node_name", "name_pairs"}
    assert all(np.array_equal(plain[name], hidden[name]) for name in same - {"mention_name"})


def test_telling_neighbours_have_the_fewest_neighbours_of_their_own(
    make_builder: MakeBuilder, graph: Any, by_name: ByName
) -> None:
    first: Counter[bool] = Counter()
    for index in range(4):
        batch = make_builder(choice="telling", neighbours=3).build(BatchKey(0, index))
        cuis = [cui for cui, _ in nodes_of(batch, by_name)]
        drawn: dict[str, list[int]] = {}
        for sender, receiver in batch["edge_index"].T.tolist():
            degree = len(graph.concepts[cuis[sender]].edges)
            drawn.setdefault(cuis[receiver], []).append(degree)
        for cui, degrees in drawn.items():
            edges = graph.concepts[cui].edges
            fewest = sorted(len(graph.concepts[edge.neighbour].edges) for edge in edges)[:3]
            assert sorted(degrees[:3]) == fewest
            if len(set(fewest)) > 1:
                first[degrees[0] == fewest[0]] += 1
    assert min(first[True], first[False]) > 0, "the first edge, which is asked about, is any"


def test_relatives_share_a_family(graph: Any) -> None:
    concepts: list[Neighbourhood] = list(graph.concepts.values())[:25]
    names = [one.names[0] for one in concepts]
    names[3] = names[4].upper()
    member, family = families(concepts, [one.cui for one in concepts], names)
    of = {one.cui: set(family[member == concept_label(one.cui)].tolist()) for one in concepts}

    def parents(one: Neighbourhood) -> set[str]:
        return {e.neighbour for e in one.edges if e.type in HIERARCHICAL and e.outgoing}

    called = dict(zip([one.cui for one in concepts], names, strict=True))
    found = Counter(
        _check(one, other, bool(of[one.cui] & of[other.cui]), parents, called)
        for one, other in combinations(concepts, 2)
    )
    assert min(found[True], found[False]) > 10


def _check(
    one: Neighbourhood,
    other: Neighbourhood,
    related: bool,
    parents: Callable[[Neighbourhood], set[str]],
    called: dict[str, str],
) -> bool:
    twins = name_key(called[one.cui]) == name_key(called[other.cui])
    own, theirs = {one.cui} | parents(one), {other.cui} | parents(other)
    assert related == (twins or bool(own & theirs))
    return related


def test_families_are_of_the_nodes_of_a_batch(make_builder: MakeBuilder) -> None:
    assert "families" not in make_builder().build(KEY)
    for encoder in ("graph", "linearised"):
        batch = make_builder(relatives="left out", encoder=encoder).build(KEY)
        member, family = batch["families"]
        assert set(batch["mention_concept"].tolist()) <= set(member.tolist())
        assert {(one, one) for one in member.tolist()} <= set(
            zip(member.tolist(), family.tolist(), strict=True)
        )
