"""Batches streamed through a real Redis: every batch once, in order, whatever happens."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from bali_platform.base.errors import BaliError
from bali_platform.streaming import (
    BatchKey,
    InlineSource,
    Recorder,
    ReplaySource,
    StreamedSource,
    answer,
    answers,
    publish,
    refuse,
)
from bali_platform.streaming.answers import stream_keys

pytestmark = pytest.mark.services

JOB = "job"
KEYS = [BatchKey(epoch, index) for epoch in range(2) for index in range(30)]
Requests = queue.Queue[BatchKey | None]


def build(key: BatchKey) -> bytes:
    return repr(key).encode() * 50


EXPECTED = list(InlineSource(build).batches(KEYS))


@contextmanager
def worker(
    redis: Redis, requests: Requests, make: Callable[[BatchKey], bytes] = build
) -> Iterator[list[BatchKey]]:
    """Answer requests in a thread, as a Celery worker would; gives what was really built."""
    built: list[BatchKey] = []

    def make_and_note(key: BatchKey) -> bytes:
        built.append(key)
        return make(key)

    def run() -> None:
        while key := requests.get():
            try:
                answer(redis, JOB, key, partial(make_and_note, key))
            except RedisError:
                continue  # a task that cannot reach Redis is lost
        requests.put(None)  # for the next worker

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield built
    finally:
        requests.put(None)
        thread.join()


def source(redis: Redis, request: Callable[[BatchKey], None], **options: Any) -> StreamedSource:
    return StreamedSource(redis, JOB, request, **{"resend_after": 0.2, **options})


@pytest.mark.parametrize("window", [1, 8, 100])
def test_streamed_batches_are_the_inline_ones(redis_client: Redis, window: int) -> None:
    requests: Requests = queue.Queue()
    with worker(redis_client, requests):
        streamed = source(redis_client, requests.put, window=window, resend_after=30)
        assert list(streamed.batches(KEYS)) == EXPECTED
    assert streamed.waited_s > 0
    assert streamed.repeats == 0
    assert redis_client.keys("bali:batches:*") == []


def test_a_recorded_stream_replays_the_inline_batches(redis_client: Redis, tmp_path: Path) -> None:
    requests: Requests = queue.Queue()
    with worker(redis_client, requests):
        recorder = Recorder(source(redis_client, requests.put), tmp_path / "run.batches")
        assert list(recorder.batches(KEYS)) == EXPECTED
    assert list(ReplaySource(tmp_path / "run.batches").batches(KEYS)) == EXPECTED


def test_answers_out_of_order_are_put_in_order(redis_client: Redis) -> None:
    requests: Requests = queue.Queue()

    def slow_when_even(key: BatchKey) -> bytes:
        time.sleep(0.02 * (key.index % 2 == 0))
        return build(key)

    with (
        worker(redis_client, requests, slow_when_even),
        worker(redis_client, requests, slow_when_even),
    ):
        assert list(source(redis_client, requests.put).batches(KEYS)) == EXPECTED


def test_several_ranks_do_not_mix(redis_client: Redis) -> None:
    keys = [BatchKey(0, index, rank) for index in range(10) for rank in (0, 1)]
    requests: Requests = queue.Queue()
    with worker(redis_client, requests):
        streamed = source(redis_client, requests.put)
        assert list(streamed.batches(keys)) == list(InlineSource(build).batches(keys))


def test_repeated_requests_are_built_once(redis_client: Redis) -> None:
    requests: Requests = queue.Queue()

    def twice(key: BatchKey) -> None:
        requests.put(key)
        requests.put(key)

    with worker(redis_client, requests) as built:
        streamed = source(redis_client, twice, resend_after=30)
        assert list(streamed.batches(KEYS)) == EXPECTED
        assert built == KEYS


def test_lost_requests_are_sent_again(redis_client: Redis) -> None:
    requests: Requests = queue.Queue()
    seen: set[BatchKey] = set()

    def lose_every_third_once(key: BatchKey) -> None:
        if key.index % 3 or key in seen:
            requests.put(key)
        seen.add(key)

    with worker(redis_client, requests):
        streamed = source(redis_client, lose_every_third_once)
        assert list(streamed.batches(KEYS)) == EXPECTED
    assert streamed.repeats >= len(KEYS) / 3


def test_an_answer_that_nobody_waits_for_leaves_nothing_behind(redis_client: Redis) -> None:
    assert not publish(redis_client, JOB, KEYS[0], b"late")
    assert not answer(redis_client, JOB, KEYS[0], lambda: pytest.fail("built for nobody"))
    assert redis_client.keys("bali:batches:*") == []


def test_outstanding_batches_are_bounded_by_the_window(redis_client: Redis) -> None:
    asked: list[BatchKey] = []
    batches = source(redis_client, asked.append, window=4, resend_after=30).batches(KEYS)
    consumer = threading.Thread(target=lambda: next(batches))
    consumer.start()
    wait_for(lambda: len(asked) == 4)
    for key in reversed(asked):
        assert publish(redis_client, JOB, key, build(key))
    consumer.join()
    wait_for(lambda: len(asked) == 5)
    assert asked == KEYS[:5]
    assert not publish(redis_client, JOB, KEYS[0], b"a second answer")


CONSUMER = """
import sys
from redis import Redis
from bali_platform.streaming import BatchKey, StreamedSource
port, window = map(int, sys.argv[1:])
request = lambda key: print(key.index, flush=True)
source = StreamedSource(Redis(port=port), "job", request, window=window)
for _ in source.batches(BatchKey(0, index) for index in range(1000)): sys.stdin.readline()
"""


def test_a_killed_consumer_leaves_no_more_than_its_window(mortal_redis: Any) -> None:
    redis = mortal_redis.client()
    command = [sys.executable, "-c", CONSUMER, str(mortal_redis.port), "6"]
    asked: list[BatchKey] = []
    for _ in range(3):
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout
            asked += [BatchKey(0, int(process.stdout.readline())) for _ in range(6)]
            process.kill()
    for key in asked + KEYS + asked:
        publish(redis, JOB, key, build(key))
    wanted, stream = stream_keys(JOB, 0)
    assert redis.xlen(stream) <= 6
    assert redis.hlen(wanted) == 0
    assert 0 < redis.ttl(stream) <= 900
    requests: Requests = queue.Queue()
    with worker(redis, requests):
        assert list(source(redis, requests.put).batches(KEYS)) == EXPECTED


def test_leftovers_of_an_earlier_consumer_are_removed(redis_client: Redis) -> None:
    wanted, stream = stream_keys(JOB, 0)
    redis_client.hset(wanted, mapping={"0:999": "0", "0:0": "4"})
    redis_client.xadd(stream, {"key": "0:999", "payload": b"old"})
    requests: Requests = queue.Queue()
    with worker(redis_client, requests):
        assert list(source(redis_client, requests.put).batches(KEYS)) == EXPECTED
    assert not redis_client.exists(wanted, stream)


@pytest.mark.parametrize("durable", [True, False])
def test_a_killed_redis_is_ridden_out(mortal_redis: Any, durable: bool) -> None:
    mortal_redis.durable = durable
    requests: Requests = queue.Queue()
    said: list[str] = []
    got = []
    with worker(mortal_redis.client(), requests):
        streamed = source(mortal_redis.client(), requests.put, say=said.append)
        for number, batch in enumerate(streamed.batches(KEYS)):
            got.append(batch)
            if number in (10, 30):
                mortal_redis.kill()
                wait_for(lambda: len(said) % 2 == 1)
                mortal_redis.start()
    assert got == EXPECTED
    assert [line.split(":")[0].split(" after ")[0] for line in said] == [
        "Redis is away, waiting for it",
        "Redis is back",
    ] * 2


def test_a_redis_that_stays_away_is_given_up(mortal_redis: Any) -> None:
    streamed = source(mortal_redis.client(), lambda key: None, patience=0.3)
    mortal_redis.kill()
    with pytest.raises(BaliError, match="Redis has been away for"):
        next(streamed.batches(KEYS))


def test_a_request_that_fails_is_repeated(redis_client: Redis) -> None:
    requests: Requests = queue.Queue()
    failures = [ConnectionError("broker away")] * 2

    def request(key: BatchKey) -> None:
        if failures:
            raise failures.pop()
        requests.put(key)

    with worker(redis_client, requests):
        assert list(source(redis_client, request).batches(KEYS)) == EXPECTED


class GraphAwayError(Exception):
    pass


def test_an_outage_of_the_worker_is_told_and_waited_for(redis_client: Redis) -> None:
    requests: Requests = queue.Queue()
    said: list[str] = []
    remaining = [3]

    def request(key: BatchKey) -> None:
        if remaining[0]:
            remaining[0] -= 1
            answer(redis_client, JOB, key, away, outages=(GraphAwayError,))
        else:
            requests.put(key)

    def away() -> bytes:
        raise GraphAwayError("no route to\nNeo4j")

    with worker(redis_client, requests):
        assert list(source(redis_client, request, say=said.append).batches(KEYS)) == EXPECTED
    assert said == [
        "batch of epoch 0, index 0, rank 0 has to wait: GraphAwayError: no route to Neo4j"
    ]


def test_a_refusal_is_passed_on(redis_client: Redis) -> None:
    requests: Requests = queue.Queue()
    said: list[str] = []
    refused: set[BatchKey] = set()

    def request(key: BatchKey) -> None:
        if key not in refused and not refused:
            refused.add(key)
            refuse(redis_client, JOB, key, "this worker runs other code")
        else:
            requests.put(key)

    with worker(redis_client, requests):
        assert list(source(redis_client, request, say=said.append).batches(KEYS)) == EXPECTED
    assert len(said) == 1
    assert "has to wait: this worker runs other code" in said[0]


def test_a_batch_that_cannot_be_built_fails_the_run_with_its_reason(redis_client: Redis) -> None:
    requests: Requests = queue.Queue()

    def poisoned(key: BatchKey) -> bytes:
        if key == KEYS[12]:
            raise BaliError("part-00003.parquet is damaged: make the corpus again")
        return build(key)

    with worker(redis_client, requests, poisoned), pytest.raises(BaliError) as failure:
        list(source(redis_client, requests.put).batches(KEYS))
    assert str(failure.value) == (
        "batch of epoch 0, index 12, rank 0 cannot be built: "
        "part-00003.parquet is damaged: make the corpus again"
    )


def test_a_slow_batch_is_built_once_however_often_it_is_asked_for(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "BUILDER_LIVES_S", 0.4)
    built: list[BatchKey] = []

    def slowly(key: BatchKey) -> bytes:
        built.append(key)
        time.sleep(1.5)
        return build(key)

    def request(key: BatchKey) -> None:
        made = partial(slowly, key)
        threading.Thread(target=answer, args=(redis_client, JOB, key, made)).start()

    streamed = source(redis_client, request, resend_after=0.02)
    assert list(streamed.batches(KEYS[:2])) == EXPECTED[:2]
    assert streamed.repeats > 2 * answers.MAX_BEGUN
    assert sorted(built) == KEYS[:2]


def test_a_batch_that_kills_its_workers_is_given_up(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "BUILDER_LIVES_S", 0.02)

    class WorkerKilledError(BaseException):
        pass

    def killed() -> bytes:
        raise WorkerKilledError

    def request(key: BatchKey) -> None:
        try:
            answer(redis_client, JOB, key, killed)
        except WorkerKilledError:
            return

    with pytest.raises(BaliError, match="begun 5 times and never finished"):
        next(source(redis_client, request, resend_after=0.05).batches(KEYS))


def test_a_mistake_in_the_keys_reaches_the_consumer(redis_client: Redis) -> None:
    with pytest.raises(ValueError, match="asked for twice"):
        next(source(redis_client, lambda key: None).batches([KEYS[0], KEYS[0]]))


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
