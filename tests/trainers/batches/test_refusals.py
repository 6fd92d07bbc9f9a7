"""What no batch can be built from is refused, and named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bali_platform.base.errors import BaliError
from bali_platform.streaming.source import BatchKey
from bali_platform.text.corpus import Mention, Sentence, write_corpus
from bali_trainers.batches.batch import Batch
from bali_trainers.batches.builder import BatchBuilder

MakeBuilder = Callable[..., BatchBuilder]


@pytest.mark.parametrize(
    ("mention", "problem"),
    [
        (Mention(0, 99, "C0000001"), "mention 0-99 lies outside its sentence"),
        (Mention(3, 3, "C0000001"), "mention 3-3 lies outside"),
        (Mention(-1, 3, "C0000001"), "mention -1-3 lies outside"),
        (Mention(0, 5, "C7777777"), "has no mention left"),
    ],
)
def test_bad_corpora_are_named(
    mention: Mention, problem: str, make_builder: MakeBuilder, tmp_path: Path
) -> None:
    sentence = Sentence("d", 0, "acute chronic renal", (mention,))
    write_corpus(tmp_path / "c", [sentence], name="c", graph_version="test-1")
    with pytest.raises(BaliError, match=problem):
        make_builder(corpus=tmp_path / "c", batch_size=1).build(BatchKey(0, 0))


@pytest.mark.parametrize("encoder", ["graph", "linearised"])
def test_one_of_several_ranks_may_be_left_without_a_mention(
    encoder: str, make_builder: MakeBuilder, tmp_path: Path
) -> None:
    texts = [
        Sentence("d", number, "acute chronic renal", (Mention(0, 5, cui),))
        for number, cui in enumerate(("C0000001", "C7777777"))
    ]
    write_corpus(tmp_path / "c", texts, name="c", graph_version="test-1")
    builder = make_builder(
        corpus=tmp_path / "c", batch_size=1, world_size=2, encoder=encoder, hard_negatives=2
    )
    built = [builder.build(BatchKey(0, 0, rank)) for rank in range(2)]
    assert sorted(len(arrays["mention_concept"]) for arrays in built) == [0, 1]
    batches = [Batch.from_arrays(arrays) for arrays in built]
    assert [len(batch.sentences.ids) for batch in batches] == [1, 1]


def test_what_does_not_fit_the_spec_is_refused(
    make_builder: MakeBuilder, graph: Any, tmp_path: Path
) -> None:
    newer = dataclasses.replace(graph, graph_version="test-2")
    with pytest.raises(BaliError, match="queued for graph test-1 but test-2 is live"):
        make_builder(newer)
    with pytest.raises(BaliError, match="has changed since the job was queued"):
        make_builder(corpus_sha="other")
    with pytest.raises(BaliError, match="too few for a batch of 1000 on 1 ranks"):
        make_builder(batch_size=1000)
    with pytest.raises(BaliError, match="has no readable tokenizer"):
        make_builder(tokenizer=tmp_path)
    with pytest.raises(BaliError, match=r"relationship type \w+ is not among"):
        make_builder(relation_types=("CHD",)).build(BatchKey(0, 0))
    with pytest.raises(BaliError, match="beside 20 to evaluate on"):
        make_builder(dev_batches=20)
    builder = make_builder()
    ranks = len(builder._sentences) - 1
    with pytest.raises(BaliError, match=f"leave one of {ranks} ranks without a sentence"):
        make_builder(batch_size=1, world_size=ranks)
    with pytest.raises(BaliError, match="no batch 99999 for rank 0"):
        builder.build(BatchKey(0, 99999))


def test_a_corpus_without_mentions_is_refused(make_builder: MakeBuilder, tmp_path: Path) -> None:
    sentence = Sentence("d", 0, "acute chronic renal", ())
    write_corpus(tmp_path / "c", [sentence], name="c", graph_version="test-1")
    with pytest.raises(BaliError, match="no sentence of this corpus mentions a concept"):
        make_builder(corpus=tmp_path / "c", batch_size=1)


def test_a_concept_without_a_name_is_reported(make_builder: MakeBuilder, graph: Any) -> None:
    nameless = {
        cui: dataclasses.replace(concept, names=()) for cui, concept in graph.concepts.items()
    }
    with pytest.raises(BaliError, match="has no name in the graph"):
        make_builder(dataclasses.replace(graph, concepts=nameless)).build(BatchKey(0, 0))
