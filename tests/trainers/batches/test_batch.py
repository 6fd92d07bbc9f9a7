"""What a batch points to after its rows were sorted and cut, against what workers sent."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bali_platform.base.errors import BaliError
from bali_trainers.batches.batch import Batch
from bali_trainers.batches.layout import Layout

CUT = st.builds(Layout, st.integers(0, 80), st.none() | st.integers(1, 3), st.booleans())
LAYOUTS = CUT | st.just(Layout(packed=True))


def shortened(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Without the longest sentence, so that no row is as long as all are padded to."""
    length = arrays["input_ids"].shape[1]
    kept = arrays["mention_tokens"] // length > 0
    owner = np.repeat(np.arange(len(arrays["mention_concept"])), np.diff(arrays["mention_offsets"]))
    sizes = np.bincount(owner[kept], minlength=len(arrays["mention_concept"]))
    return arrays | {
        **{name: arrays[name][1:] for name in ("input_ids", "attention_mask", "labels")},
        "mention_tokens": arrays["mention_tokens"][kept] - length,
        "mention_offsets": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
    }


@given(seed=st.integers(0, 50), layout=LAYOUTS)
def test_every_token_is_found_where_it_went(make_arrays, seed, layout):
    arrays = shortened(make_arrays(seed, sentences=6))
    batch = Batch.from_arrays(arrays, layout)
    blocks = [ids.flatten() for ids, _ in batch.sentences.blocks()]
    read = torch.cat([ids[at] for ids, at in zip(blocks, batch.reads, strict=True)])
    ids, labels = arrays["input_ids"].ravel(), arrays["labels"].ravel()
    assert read[batch.mention_states].tolist() == ids[arrays["mention_tokens"]].tolist()
    chosen = np.flatnonzero(labels != -100)
    assert read[batch.predicted.states].tolist() == ids[chosen].tolist()
    assert batch.predicted.labels.tolist() == labels[chosen].tolist()
    expected = [
        (mention, int(ids[token]), int(labels[token]))
        for mention in range(len(batch.concepts))
        for token in arrays["mention_tokens"][slice(*arrays["mention_offsets"][mention:][:2])]
        if labels[token] != -100
    ]
    masked = (batch.masked_owner, read[batch.masked.states], batch.masked.labels)
    assert list(zip(*(part.tolist() for part in masked), strict=True)) == expected


@given(seed=st.integers(0, 50), layout=LAYOUTS)
def test_every_node_keeps_its_name(make_arrays, seed, layout):
    arrays = make_arrays(seed)
    graph = Batch.from_arrays(arrays, layout).graph
    mask = arrays["name_attention_mask"].astype(bool)
    names = [row[real].tolist() for row, real in zip(arrays["name_input_ids"], mask, strict=True)]
    found = []
    for ids, real in graph.names.blocks():
        whole = torch.ones_like(ids) if real is None else getattr(real, "mask", real)
        found += [row[at == 1].tolist() for row, at in zip(ids, whole, strict=True)]
    assert [found[row] for row in graph.node_name] == [names[row] for row in arrays["node_name"]]
    one, other = arrays["name_pairs"]
    pairs = arrays["name_pairs"][:, one != other]
    assert [[found[row] for row in side] for side in graph.pairs] == [
        [names[row] for row in side] for side in pairs
    ]
    assert graph.pair_concepts.tolist() == arrays["pair_concept"][one != other].tolist()


@given(layout=LAYOUTS)
def test_padding_is_what_is_computed_in_vain(make_arrays, layout):
    arrays = make_arrays(3)
    for tokens, name in zip(
        Batch.from_arrays(arrays, layout).tokens(), ("attention_mask", "name_attention_mask"),
        strict=True,
    ):  # fmt: skip
        assert tokens.count == arrays[name].sum()
        blocks = [(ids, getattr(mask, "token", ids)) for ids, mask in tokens.blocks()]
        assert tokens.slots == sum(computed.numel() for _, computed in blocks)


def test_a_batch_of_another_version_is_refused(make_arrays):
    arrays = make_arrays()
    del arrays["node_concept"]
    with pytest.raises(BaliError, match="lacks 'node_concept'"):
        Batch.from_arrays(arrays)
