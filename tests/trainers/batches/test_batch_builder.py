"""Batches against independent, slow readings of the same sentences and graph."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.trainers.batches.readings import ByIds, ByName, nodes_of, original_ids, rows_of
from tokenizers import Tokenizer

from bali_platform.streaming.codec import encode
from bali_platform.streaming.source import BatchKey
from bali_platform.text.corpus import Mention, Sentence, write_corpus
from bali_trainers.batches.batch import Batch
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.mentions import concept_label
from bali_trainers.batches.order import DEV_EPOCH
from bali_trainers.batches.spec import DataSpec

MakeBuilder = Callable[..., BatchBuilder]
MakeSpec = Callable[..., DataSpec]
KEYS = st.builds(BatchKey, st.integers(0, 5), st.integers(0, 7))


@pytest.fixture(scope="module")
def builder(make_builder: MakeBuilder) -> BatchBuilder:
    return make_builder(max_length=32)


def test_an_epoch_shows_every_sentence_once(builder: BatchBuilder, by_ids: ByIds) -> None:
    seen = Counter(
        row
        for i in range(builder.steps_per_epoch)
        for row in rows_of(builder.build(BatchKey(0, i)))
    )
    assert seen == Counter(by_ids.keys())


def test_ranks_share_an_epoch_without_overlap(make_builder: MakeBuilder, by_ids: ByIds) -> None:
    builder = make_builder(batch_size=4, world_size=3)
    rows = [
        row
        for i in range(builder.steps_per_epoch)
        for rank in range(3)
        for row in rows_of(builder.build(BatchKey(1, i, rank)))
    ]
    assert len(rows) == len(set(rows)) == len(by_ids)


def test_sentences_to_evaluate_on_are_never_trained_on(
    make_builder: MakeBuilder, by_ids: ByIds
) -> None:
    builder = make_builder(dev_batches=2, max_length=32)
    dev = {row for i in range(2) for row in rows_of(builder.build(BatchKey(DEV_EPOCH, i)))}
    assert len(dev) == 16
    keys = builder.keys(2)
    assert keys[:2] == [BatchKey(DEV_EPOCH, 0), BatchKey(DEV_EPOCH, 1)]
    assert len(keys) == len(set(keys)) == 2 + 2 * builder.steps_per_epoch
    for epoch in range(2):
        steps = range(builder.steps_per_epoch)
        train = {row for i in steps for row in rows_of(builder.build(BatchKey(epoch, i)))}
        assert not dev & train
        assert len(dev | train) == len(by_ids)


@pytest.mark.parametrize("max_length", [32, 128])
def test_little_of_a_batch_is_padding(make_builder: MakeBuilder, max_length: int) -> None:
    builder = make_builder(max_length=max_length, batch_size=16)
    count = slots = 0
    for index in range(builder.steps_per_epoch):
        for tokens in Batch.from_arrays(builder.build(BatchKey(0, index))).tokens():
            count, slots = count + tokens.count, slots + tokens.slots
    assert 1 - count / slots <= 0.08


def test_order_changes_with_epoch_and_seed(make_builder: MakeBuilder) -> None:
    first = make_builder(seed=1)
    other = make_builder(seed=2)
    assert rows_of(first.build(BatchKey(0, 0))) != rows_of(first.build(BatchKey(1, 0)))
    assert rows_of(first.build(BatchKey(0, 0))) != rows_of(other.build(BatchKey(0, 0)))


@settings(max_examples=25, deadline=None)
@given(key=KEYS)
def test_mention_tokens_are_those_that_share_a_character(
    key: BatchKey,
    builder: BatchBuilder,
    tokenizer: Tokenizer,
    by_ids: ByIds,
) -> None:
    batch = builder.build(key)
    offsets, tokens = batch["mention_offsets"], batch["mention_tokens"]
    width = batch["input_ids"].shape[1]
    got = {
        (int(tokens[first]) // width, int(label)): set((tokens[first:last] % width).tolist())
        for first, last, label in zip(
            offsets[:-1], offsets[1:], batch["mention_concept"], strict=True
        )
    }
    expected: dict[tuple[int, int], set[int]] = {}
    lost = 0
    for row, ids in enumerate(rows_of(batch)):
        sentence = by_ids[ids]
        encoding = tokenizer.encode(sentence.text)
        limit = 31 if len(encoding.ids) > 32 else len(encoding.ids)
        for mention in sentence.mentions:
            touched = {
                token
                for token, (start, end) in enumerate(encoding.offsets)
                if set(range(start, end)) & set(range(mention.start, mention.end))
            }
            if max(touched) >= limit:
                lost += 1
            else:
                expected.setdefault((row, concept_label(mention.cui)), set()).update(touched)
    assert got == expected
    assert batch["lost_mentions"].tolist() == [lost]


@settings(max_examples=40, deadline=None)
@given(key=KEYS, hops=st.integers(1, 3), neighbours=st.integers(0, 4))
def test_trees_are_made_of_edges_of_the_graph(
    key: BatchKey,
    hops: int,
    neighbours: int,
    make_builder: MakeBuilder,
    graph: Any,
    by_name: ByName,
) -> None:
    batch = make_builder(hops=hops, neighbours=neighbours).build(key)
    nodes = [cui for cui, _ in nodes_of(batch, by_name)]
    labels = [concept_label(nodes[node]) for node in batch["target_node"]]
    assert labels == batch["mention_concept"].tolist()
    drawn: dict[int, list[tuple[str, str, bool]]] = {}
    edges = zip(*batch["edge_index"].tolist(), batch["edge_type"].tolist(), strict=True)
    for sender, receiver, kind in edges:
        relation = ("CHD", "HAS_FINDING_SITE", "RN", "TREATS")[kind // 2]
        drawn.setdefault(receiver, []).append((nodes[sender], relation, kind % 2 == 0))
    for receiver, facts in drawn.items():
        known = {(e.neighbour, e.type, e.outgoing) for e in graph.concepts[nodes[receiver]].edges}
        assert len(facts) == len(set(facts))
        assert set(facts) <= known
    for target in batch["target_node"].tolist():
        degree = len(graph.concepts[nodes[target]].edges)
        assert len(drawn.get(target, [])) == min(neighbours, degree)
    senders, receivers = batch["edge_index"]
    assert sorted(senders.tolist()) == sorted(
        set(range(len(nodes))) - set(batch["target_node"].tolist())
    ), "every node but the targets sends exactly once"
    assert (senders > receivers).all(), "messages flow towards the targets"


def test_neighbours_are_drawn_evenly_and_afresh(
    make_builder: MakeBuilder, by_name: ByName, graph: Any
) -> None:
    builder = make_builder(neighbours=1)
    counts: dict[str, Counter[tuple[str, int]]] = {}
    for epoch in range(40):
        for index in range(builder.steps_per_epoch):
            batch = builder.build(BatchKey(epoch, index))
            nodes = [cui for cui, _ in nodes_of(batch, by_name)]
            edges = zip(*batch["edge_index"].tolist(), batch["edge_type"].tolist(), strict=True)
            for sender, receiver, kind in edges:
                counts.setdefault(nodes[receiver], Counter())[nodes[sender], kind] += 1
    statistic = degrees = 0.0
    for cui, seen in counts.items():
        edges_of = len(graph.concepts[cui].edges)
        expected = seen.total() / edges_of
        unseen = edges_of - len(seen)
        statistic += sum((n - expected) ** 2 / expected for n in seen.values()) + unseen * expected
        degrees += edges_of - 1
    assert statistic < degrees + 5 * np.sqrt(2 * degrees), "chi-square, five standard deviations"


def test_masking_follows_the_recipe(make_builder: MakeBuilder, tokenizer: Tokenizer) -> None:
    builder = make_builder(batch_size=16)
    mask_id = tokenizer.token_to_id("[MASK]")
    special = {tokenizer.token_to_id(t) for t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    maskable = chosen = masked = replaced = 0
    for epoch in range(30):
        for index in range(builder.steps_per_epoch):
            batch = builder.build(BatchKey(epoch, index))
            ids, labels = batch["input_ids"], batch["labels"]
            at = labels != -100
            assert at.any()
            assert not np.isin(labels[at], list(special)).any()
            ordinary = ~np.isin(original_ids(batch), list(special))
            assert not (at & ~ordinary).any()
            maskable += int(ordinary.sum())
            chosen += int(at.sum())
            masked += int((ids[at] == mask_id).sum())
            random_ids = ids[at & (ids != mask_id) & (ids != labels)]
            assert not np.isin(random_ids, list(special)).any()
            replaced += len(random_ids)
    for count, total, rate in ((chosen, maskable, 0.15), (masked, chosen, 0.8)):
        assert abs(count - rate * total) < 5 * np.sqrt(total * rate * (1 - rate))
    assert abs(replaced - 0.1 * chosen) < 5 * np.sqrt(0.09 * chosen)


def test_at_least_one_token_is_masked_unless_masking_is_off(make_builder: MakeBuilder) -> None:
    rarely = make_builder(batch_size=1, mlm_probability=1e-6)
    never = make_builder(batch_size=1, mlm_probability=0)
    for index in range(20):
        assert (rarely.build(BatchKey(0, index))["labels"] != -100).sum() == 1
        assert (never.build(BatchKey(0, index))["labels"] == -100).all()


@settings(max_examples=30, deadline=None)
@given(key=KEYS, encoder=st.sampled_from(["graph", "linearised"]))
def test_arrays_have_the_agreed_types_and_consistent_shapes(
    key: BatchKey, encoder: str, make_builder: MakeBuilder
) -> None:
    batch = make_builder(encoder=encoder, hard_negatives=key.index % 3).build(key)
    offsets, tokens = batch["mention_offsets"], batch["mention_tokens"]
    assert offsets[0] == 0
    assert offsets[-1] == len(tokens)
    assert (np.diff(offsets) > 0).all()
    assert batch["attention_mask"].ravel()[tokens].all()
    mentions = len(batch["mention_concept"])
    assert len(offsets) == mentions + 1
    wide = {"mention_concept", "negative_concept", "node_concept", "pair_concept"}
    narrow = {"attention_mask", "name_attention_mask", "graph_attention_mask"}
    for name, array in batch.items():
        expected = np.int64 if name in wide else np.uint8 if name in narrow else np.int32
        assert array.dtype == expected, name
    if encoder == "linearised":
        assert batch["graph_input_ids"].shape == batch["graph_attention_mask"].shape
        assert len(batch["graph_input_ids"]) == mentions + len(batch["negative_concept"])
        assert "edge_index" not in batch
    else:
        assert len(batch["target_node"]) == mentions
        assert batch["name_pairs"].shape == (2, len(batch["pair_concept"]))
        assert len(batch["mention_name"]) == mentions
        assert len(batch["negative_node"]) == len(batch["negative_concept"])
        assert len(batch["node_concept"]) == len(batch["node_name"])
        assert batch["edge_index"].shape == (2, len(batch["edge_type"]))
        assert batch["node_name"].max() == len(batch["name_input_ids"]) - 1


def test_bytes_do_not_depend_on_order_process_or_hash_seed(
    make_builder: MakeBuilder, make_spec: MakeSpec, tmp_path: Path
) -> None:
    keys = [BatchKey(epoch, index) for epoch in (0, 3) for index in (0, 5, 2)]
    options: dict[str, Any] = {
        "hops": 2,
        "hard_negatives": 2,
        "synonyms": True,
        "further_concepts": 3,
        "mention_texts": True,
        "swapped": 0.3,
        "abbreviated": 0.5,
    }
    forwards, backwards = make_builder(**options), make_builder(**options)
    expected = {key: encode(forwards.build(key)) for key in keys}
    assert {key: encode(backwards.build(key)) for key in reversed(keys)} == expected
    script = tmp_path / "other_process.py"
    script.write_text(
        "import importlib.util, sys, hashlib\n"
        "from bali_platform.streaming.codec import encode\n"
        "from bali_platform.streaming.source import BatchKey\n"
        "from bali_trainers.batches.builder import BatchBuilder\n"
        "from bali_trainers.batches.spec import DataSpec\n"
        "found = importlib.util.spec_from_file_location('support', sys.argv[1])\n"
        "support = importlib.util.module_from_spec(found)\n"
        "sys.modules['support'] = support\n"
        "found.loader.exec_module(support)\n"
        "builder = BatchBuilder(DataSpec.model_validate_json(sys.argv[2]), "
        "support.make_graph(60, seed=1))\n"
        "for epoch in (0, 3):\n"
        "    for index in (0, 5, 2):\n"
        "        payload = encode(builder.build(BatchKey(epoch, index)))\n"
        "        print(hashlib.sha256(payload).hexdigest())\n"
    )
    support, spec = str(Path(__file__).with_name("conftest.py")), make_spec(**options)
    for hash_seed in ("1", "2"):
        printed = subprocess.run(
            [sys.executable, str(script), support, spec.model_dump_json()],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert printed == [sha256(expected[key]).hexdigest() for key in keys]


def test_retired_concepts_are_followed_and_lost_ones_counted(
    make_builder: MakeBuilder, make_spec: MakeSpec, graph: Any, tmp_path: Path
) -> None:
    mentions = (Mention(0, 5, "C0000001"), Mention(6, 13, "C9999999"), Mention(14, 19, "C9000000"))
    text = "acute chronic renal"
    write_corpus(
        tmp_path / "c", [Sentence("d", 0, text, mentions)], name="c", graph_version="test-1"
    )
    source = dataclasses.replace(graph, replaced={"C9999999": "C0000001"})
    batch = make_builder(source, corpus=tmp_path / "c", batch_size=1).build(BatchKey(0, 0))
    assert batch["mention_concept"].tolist() == [concept_label("C0000001")]
    assert batch["mention_tokens"].tolist() == [1, 2]
    assert batch["lost_mentions"].tolist() == [1]
