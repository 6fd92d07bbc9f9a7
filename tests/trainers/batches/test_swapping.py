"""Mentions that mean something else than the text around them is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from tests.trainers.batches.readings import ByName, names_in, overlapped, spans_of

from bali_platform.streaming.codec import Arrays
from bali_platform.streaming.source import BatchKey
from bali_platform.text.corpus import Sentence
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.mentions import concept_label
from bali_trainers.batches.names import NameDrawer
from bali_trainers.batches.sentences import SentenceBatch
from bali_trainers.batches.swapping import Swapper

MakeBuilder = Callable[..., BatchBuilder]


def batch_of(sentences: list[Sentence]) -> SentenceBatch:
    spans = [
        (row, mention.start, mention.end, mention.cui)
        for row, sentence in enumerate(sentences)
        for mention in sentence.mentions
    ]
    row, start, end, cui = zip(*spans, strict=True)
    return SentenceBatch(
        [sentence.text for sentence in sentences],
        np.array(row, dtype=np.int64),
        np.array(start, dtype=np.int32),
        np.array(end, dtype=np.int32),
        np.array(cui, dtype=np.str_),
    )


def test_swapped_mentions_are_names_of_what_they_mean_and_the_rest_stays(
    sentences: list[Sentence], graph: Any
) -> None:
    batch = batch_of(sentences)
    after = Swapper(0.15, NameDrawer(graph, 0.0))(batch, np.random.default_rng(3))
    swapped = 0
    overlaps = [overlapped(batch, mention) for mention in range(len(batch.row))]
    shown = zip(spans_of(batch), spans_of(after), after.cui, batch.cui, overlaps, strict=True)
    for was, now, cui, meant, fixed in shown:
        if now == was:
            assert cui == meant
            continue
        assert not fixed
        assert now in graph.concepts[cui].names
        swapped += 1
    free = overlaps.count(False)
    assert abs(swapped - 0.15 * free) < 5 * np.sqrt(0.15 * 0.85 * free)
    back = list(after.texts)
    for mention in np.lexsort((-after.start, after.row)).tolist():
        row, start, end = after.row[mention], after.start[mention], after.end[mention]
        if spans_of(after)[mention] != spans_of(batch)[mention]:
            back[row] = back[row][:start] + spans_of(batch)[mention] + back[row][end:]
    assert back == batch.texts


def meanings(batch: Arrays) -> list[int]:
    return sorted(batch["mention_concept"].tolist())


def test_batches_mean_what_swapped_mentions_say(make_builder: MakeBuilder, by_name: ByName) -> None:
    options: dict[str, Any] = {"mention_texts": True, "mlm_probability": 0, "withheld": 0.0}
    plain, swapped = make_builder(**options), make_builder(**options, swapped=0.6)
    changed = 0
    for index in range(plain.steps_per_epoch):
        before = set(meanings(plain.build(BatchKey(0, index))))
        batch = swapped.build(BatchKey(0, index))
        names = names_in(batch)
        for label, name in zip(
            batch["mention_concept"].tolist(), batch["mention_name"].tolist(), strict=True
        ):
            if label not in before:
                cui, _ = by_name[names[name]]
                assert concept_label(cui) == label
                changed += 1
    assert changed


def test_shuffled_links_are_not_mended_by_swapping(make_builder: MakeBuilder) -> None:
    key = BatchKey(0, 1)
    shuffled = make_builder(links="shuffled").build(key)
    swapped = make_builder(links="shuffled", swapped=0.9).build(key)
    assert meanings(swapped) == meanings(shuffled)
    assert swapped["input_ids"].tolist() == shuffled["input_ids"].tolist()
