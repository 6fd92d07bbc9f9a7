"""The window against a transport that loses, repeats, delays and reorders."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali_platform.streaming.keys import BatchKey
from bali_platform.streaming.window import Window

KEYS = [BatchKey(epoch, index) for epoch in range(2) for index in range(20)]
PERCENT = st.integers(0, 90)


@given(
    dice=st.randoms(use_true_random=True),
    size=st.integers(1, 12),
    lost=PERCENT,
    repeated=PERCENT,
    taken=st.integers(10, 100),
    outages=st.integers(0, 20),
)
def test_any_transport_gives_every_batch_once_in_order(
    dice: Random, size: int, lost: int, repeated: int, taken: int, outages: int
) -> None:
    window = Window(KEYS, size, resend_after=10.0)
    wire: list[BatchKey] = []
    got: list[BatchKey] = []
    now = 0.0
    while not window.finished:
        if dice.randrange(100) < outages:
            wire.clear()
            window.ask_again()
        for key in window.due(now):
            copies = 0 if dice.randrange(100) < lost else 1 + (dice.randrange(100) < repeated)
            wire.extend([key] * copies)
        dice.shuffle(wire)
        for _ in range(dice.randrange(len(wire) + 1)):
            key = wire.pop()
            window.arrive(key, repr(key).encode())
        while dice.randrange(100) < taken and (batch := window.take()):
            assert batch[1] == repr(batch[0]).encode()
            got.append(batch[0])
        now += dice.choice([0.0, 1.0, 100.0])
    assert got == KEYS


@given(size=st.integers(1, 12), dice=st.randoms(use_true_random=True))
def test_it_never_holds_more_than_its_size(size: int, dice: Random) -> None:
    window = Window(KEYS, size, resend_after=10.0)
    inside: set[BatchKey] = set()
    while not window.finished:
        inside.update(window.due(0.0))
        assert len(inside) <= size
        for key in dice.sample(sorted(inside), k=min(2, len(inside))):
            window.arrive(key, b"")
        while batch := window.take():
            inside.remove(batch[0])


def test_late_batches_are_asked_again_ever_less_often() -> None:
    window = Window(KEYS[:1], 1, resend_after=10.0)
    asked_at = [now for now in range(200) if window.due(float(now))]
    assert asked_at == [0, 10, 30, 70, 110, 150, 190]
    assert window.repeats == 6


def test_an_outage_makes_only_unanswered_batches_due() -> None:
    window = Window(KEYS[:3], 3, resend_after=10.0)
    assert window.due(0.0) == KEYS[:3]
    assert window.arrive(KEYS[1], b"one")
    window.ask_again()
    assert window.due(1.0) == [KEYS[0], KEYS[2]]
    assert window.due(10.9) == []
    assert window.due(11.0) == [KEYS[0], KEYS[2]]


def test_answers_to_nobody_are_dropped() -> None:
    window = Window(KEYS[:1], 1, resend_after=10.0)
    window.due(0.0)
    assert not window.arrive(KEYS[5], b"never asked")
    assert window.arrive(KEYS[0], b"first")
    assert not window.arrive(KEYS[0], b"second")
    assert window.take() == (KEYS[0], b"first")


def test_no_batches_are_finished_at_once() -> None:
    window = Window([], 4, resend_after=10.0)
    assert window.due(0.0) == []
    assert window.finished


def test_a_window_without_room_and_a_repeated_key_are_mistakes() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Window(KEYS, 0, resend_after=10.0)
    with pytest.raises(ValueError, match="asked for twice"):
        Window([KEYS[0], KEYS[0]], 2, resend_after=10.0).due(0.0)
