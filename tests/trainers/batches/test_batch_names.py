"""Names in batches: drawn, paired, shortened and withheld."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.trainers.batches.readings import ByIds, ByName, names_in, nodes_of, rows_of
from tokenizers import Tokenizer

from bali_platform.graph.names import is_withheld
from bali_platform.streaming.codec import Arrays
from bali_platform.streaming.source import BatchKey
from bali_trainers.batches.abbreviating import initials
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.mentions import concept_label

MakeBuilder = Callable[..., BatchBuilder]


def test_pairs_are_two_names_of_concepts_that_are_mentioned(
    make_builder: MakeBuilder, by_name: ByName, graph: Any
) -> None:
    batch = make_builder(synonyms=True, withheld=0.3).build(BatchKey(0, 0))
    assert batch["pair_concept"].tolist() == batch["mention_concept"].tolist()
    first, second = batch["name_pairs"].tolist()
    assert first == batch["node_name"][batch["target_node"]].tolist()
    different = check_pairs(batch, by_name, graph, withheld=0.3)
    assert 0 < different <= len(second)


def test_further_concepts_are_drawn_from_the_whole_graph(
    make_builder: MakeBuilder, by_name: ByName, graph: Any
) -> None:
    builder = make_builder(synonyms=True, further_concepts=9, withheld=0.0)
    several = [cui for cui, one in graph.concepts.items() if len(one.names) > 1]
    drawn: set[int] = set()
    surrounded = 0
    for index in range(builder.steps_per_epoch):
        batch = builder.build(BatchKey(0, index))
        mentions = len(batch["mention_concept"])
        further = batch["pair_concept"][mentions:].tolist()
        assert len(set(further)) == len(further) == 9
        one, other = batch["name_pairs"][:, mentions:]
        assert (one != other).all()
        check_pairs(batch, by_name, graph, withheld=0.0)
        nodes = batch["further_node"]
        assert batch["node_concept"][nodes].tolist() == further
        assert one.tolist() == batch["node_name"][nodes].tolist()
        surrounded += np.isin(nodes, batch["edge_index"][1]).sum()
        drawn.update(further)
    assert drawn <= {concept_label(cui) for cui in several}
    assert surrounded > len(drawn) / 2
    assert len(drawn) > len(several) / 2
    everything = make_builder(synonyms=True, further_concepts=999).build(BatchKey(0, 0))
    further = everything["pair_concept"][len(everything["mention_concept"]) :].tolist()
    assert sorted(further) == sorted(map(concept_label, several))


def test_a_mention_is_called_by_the_drawn_name_or_by_its_text(
    make_builder: MakeBuilder, tokenizer: Tokenizer, by_ids: ByIds
) -> None:
    options: dict[str, Any] = {"synonyms": True, "further_concepts": 5, "max_length": 32}
    plain, reading = make_builder(**options), make_builder(**options, mention_texts=True)
    for index in range(plain.steps_per_epoch):
        key = BatchKey(0, index)
        one, other = plain.build(key), reading.build(key)
        drawn = one["node_name"][one["target_node"]]
        assert one["mention_name"].tolist() == drawn.tolist()
        mentions = len(other["mention_name"])
        beyond = [read(b, b["name_pairs"][:, mentions:]) for b in (one, other)]
        assert beyond[0] == beyond[1]
        first, second = other["name_pairs"][:, :mentions]
        assert first.tolist() == other["node_name"][other["target_node"]].tolist()
        assert second.tolist() == other["mention_name"].tolist()
        width, rows = other["input_ids"].shape[1], rows_of(other)
        starts = other["mention_offsets"][:-1]
        called = read(other, other["mention_name"])
        for mention, position in enumerate(other["mention_tokens"][starts].tolist()):
            sentence = by_ids[rows[position // width]]
            label = int(other["mention_concept"][mention])
            said = next(
                sentence.text[m.start : m.end]
                for m in sentence.mentions
                if concept_label(m.cui) == label
            )
            assert called[mention] == tuple(tokenizer.encode(said).ids)


def test_abbreviated_mentions_keep_their_concepts_and_long_forms(
    make_builder: MakeBuilder, tokenizer: Tokenizer
) -> None:
    options: dict[str, Any] = {"mention_texts": True, "mlm_probability": 0, "withheld": 0.0}
    plain, short = make_builder(**options), make_builder(**options, abbreviated=0.9)

    def said(batch: Arrays) -> list[str]:
        tokens = batch["input_ids"].ravel()[batch["mention_tokens"]]
        return [tokenizer.decode(t) for t in np.split(tokens, batch["mention_offsets"][1:-1])]

    shortened = 0
    for index in range(plain.steps_per_epoch):
        one, other = plain.build(BatchKey(0, index)), short.build(BatchKey(0, index))
        assert one["mention_concept"].tolist() == other["mention_concept"].tolist()
        called = [read(b, b["mention_name"]) for b in (one, other)]
        assert called[0] == called[1]
        texts = [tokenizer.decode(list(ids)) for ids in called[0]]
        for text, was, now in zip(texts, said(one), said(other), strict=True):
            if was == text:  # else its concept is mentioned twice
                assert now in {text, (initials(text) or text).lower()}
                shortened += now != text
    assert shortened


def check_pairs(
    batch: Arrays,
    by_name: ByName,
    graph: Any,
    *,
    withheld: float,
) -> int:
    """Both names are ones of the concept that training may see; count pairs of different names."""
    names = [by_name[pieces] for pieces in names_in(batch)]
    for concept, one, other in zip(
        batch["pair_concept"].tolist(), *batch["name_pairs"].tolist(), strict=True
    ):
        cui, name = names[one]
        assert concept_label(cui) == concept
        preferred, *synonyms = graph.concepts[cui].names
        allowed = {preferred, *(n for n in synonyms if not is_withheld(n, withheld))}
        assert name in allowed
        assert names[other] in {(cui, n) for n in allowed - {name} or {name}}
    one, other = batch["name_pairs"]
    return int((one != other).sum())


def test_names_are_drawn_alike_with_and_without_pairs(make_builder: MakeBuilder) -> None:
    plain, more = make_builder(), make_builder(synonyms=True)
    for index in range(3):
        one, other = (b.build(BatchKey(0, index)) for b in (plain, more))
        assert one["node_name"].tolist() == other["node_name"].tolist()
        assert one["name_pairs"].shape == (2, 0)


def test_withheld_names_never_occur_and_every_other_name_does(
    make_builder: MakeBuilder, by_name: ByName, graph: Any
) -> None:
    builder = make_builder(withheld=0.3)
    seen = {
        node
        for epoch in range(60)
        for index in range(builder.steps_per_epoch)
        for node in nodes_of(builder.build(BatchKey(epoch, index)), by_name)
    }
    met = {cui for cui, _ in seen}
    allowed = {
        (cui, name)
        for cui in met
        for rank, name in enumerate(graph.concepts[cui].names)
        if rank == 0 or not is_withheld(name, 0.3)
    }
    assert seen <= allowed
    assert len(allowed - seen) < 0.05 * len(allowed)


def read(batch: Arrays, names: NDArray[np.int32]) -> list[tuple[int, ...]]:
    """Word pieces of some names."""
    pieces = names_in(batch)
    return [pieces[name] for name in names.ravel().tolist()]
