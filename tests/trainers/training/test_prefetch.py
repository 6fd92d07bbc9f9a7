from __future__ import annotations

import threading

import pytest
import torch

from bali_platform.base.errors import BaliError
from bali_platform.streaming import BatchKey, encode
from bali_trainers.batches.layout import Layout
from bali_trainers.training.prefetch import AHEAD, Prefetcher

CPU = torch.device("cpu")
KEYS = [BatchKey(0, index) for index in range(6)]


def test_batches_come_in_order_and_whole(make_arrays):
    payloads = [encode(make_arrays(key.index)) for key in KEYS]
    with Prefetcher(iter(zip(KEYS, payloads, strict=True)), CPU, Layout()) as stream:
        arrivals = [stream.take() for _ in KEYS]
    assert [(a.key, a.payload) for a in arrivals] == list(zip(KEYS, payloads, strict=True))
    for arrival in arrivals:
        concepts = make_arrays(arrival.key.index)["mention_concept"]
        assert arrival.batch.concepts.tolist() == concepts.tolist()


def test_no_more_than_a_few_are_taken_ahead(make_arrays):
    taken, enough = [], threading.Event()

    def source():
        for key in KEYS:
            taken.append(key)
            if len(taken) == AHEAD + 1:
                enough.set()
            yield key, encode(make_arrays())

    with Prefetcher(source(), CPU, Layout()) as stream:
        assert enough.wait(10)
        assert not stream._thread.join(0.2)
        assert len(taken) == AHEAD + 1
    assert not stream._thread.is_alive()


def test_a_source_that_ends_early_is_no_endless_wait(make_arrays):
    with Prefetcher(iter([(KEYS[0], encode(make_arrays()))]), CPU, Layout()) as stream:
        stream.take()
        with pytest.raises(BaliError, match="ended before the run"):
            stream.take()


def test_what_goes_wrong_is_raised_after_the_batches_before_it(make_arrays):
    def source():
        yield KEYS[0], encode(make_arrays())
        raise BaliError("the stream ended early")

    with Prefetcher(source(), CPU, Layout()) as stream:
        assert stream.take().key == KEYS[0]
        with pytest.raises(BaliError, match="ended early"):
            stream.take()
