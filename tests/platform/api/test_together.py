"""Threads that ask at once are answered together, each with its own answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from bali_platform.api.together import Shared


class Answers:
    """Doubles numbers, once it is let go; keeps what it was asked."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.go = threading.Event()

    def __call__(self, kind: str, asked: list[int]) -> list[int]:
        assert self.go.wait(10)
        self.batches.append((kind, asked))
        if kind == "bad":
            raise ValueError("the server is away")
        return [2 * number for number in asked]


def test_questions_of_a_kind_that_wait_are_answered_at_once() -> None:
    answers = Answers()
    shared = Shared(answers, at_once=1, most=10)
    with ThreadPoolExecutor(30) as pool:
        asked = [("even" if n % 2 == 0 else "odd", n) for n in range(30)]
        replies = [pool.submit(shared.ask, *question) for question in asked]
        answers.go.set()
        assert [reply.result(10) for reply in replies] == [2 * n for n in range(30)]
    assert len(answers.batches) < 15
    for kind, numbers in answers.batches:
        assert {n % 2 for n in numbers} == {0 if kind == "even" else 1}
        assert len(numbers) <= 10


def test_a_failure_reaches_only_those_who_asked_with_it() -> None:
    answers = Answers()
    answers.go.set()
    shared = Shared(answers, at_once=2, most=4)
    with ThreadPoolExecutor(20) as pool:
        bad = [pool.submit(shared.ask, "bad", n) for n in range(10)]
        good = [pool.submit(shared.ask, "good", n) for n in range(10)]
    assert [reply.result() for reply in good] == [2 * n for n in range(10)]
    for reply in bad:
        with pytest.raises(ValueError, match="away"):
            reply.result()
