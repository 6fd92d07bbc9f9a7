"""Batches through Celery and Redis: ``python -m benchmarks.streaming [--record]``.

Needs a running home (``bali up``) with a loaded graph, and no other workers. Makes a corpus of
sentences with two mentions each, of concepts drawn evenly from the whole graph, and streams it as
a trainer would, with the MiniLM tokenizer and three neighbours for each mention, in small and in
large batches. All caches are warmed with one epoch and measured with the next, which draws other
neighbours and names.

Measures the sentences per second of one and of two worker processes, in turns; how much of the
processor they and those around them take; how long a trainer waits that takes 500 sentences a
second; and what Redis needs for it. Beside it, what one process and two build with neither queue
nor stream between: where two cores are the two threads of one, a second process adds little to
anything. Prints JSON; takes some ten minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
from redis import Redis

from bali_platform.base.settings import Settings, load_settings
from bali_platform.graph import Graph
from bali_platform.jobs import JobStore, connect
from bali_platform.jobs.throughput import borrowed_stream, measure
from bali_platform.streaming import BatchKey, encode
from bali_platform.subgraphs import neighbourhoods
from bali_platform.text.corpus import Mention, Sentence, write_corpus
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.spec import DataSpec
from bali_trainers.training.submission import prepare
from benchmarks.record import record

SENTENCES = 20_480
BATCH_SIZES = (32, 256)
MENTIONS, NEIGHBOURS = 2, 3
TRAINER_SENTENCES_S = 500
WINDOW = 16
WATCH_EVERY_S = 0.25  # to look more often would itself take a share of the processor
FILLING = (
    "in this study we found that the of and with for patients who had been treated before after "
    "compared to controls was significantly associated increased risk levels were measured by "
    "during follow-up clinical results suggest may be an important role therapy response group"
)


def make_corpus(settings: Settings, sentences: int) -> Path:
    """Write sentences of some 25 words, of which two are names of concepts."""
    with Graph.connect(settings) as graph:
        version = graph.version
        folder = settings.home / "corpora" / f"two-mentions-{version}-{sentences}"
        if folder.exists():
            return folder
        concepts = [(cui, names[0]) for cui, names in graph.names()]
    dice = random.Random(1)
    rows = (_sentence(number, concepts, dice) for number in range(sentences))
    write_corpus(folder, rows, name=folder.name, graph_version=version, details={"withheld": 0.1})
    return folder


def _sentence(number: int, concepts: list[tuple[str, str]], dice: random.Random) -> Sentence:
    words: list[tuple[str, str]] = [("", word) for word in dice.choices(FILLING.split(), k=23)]
    for at in sorted(dice.sample(range(len(words)), MENTIONS)):
        words.insert(at, dice.choice(concepts))
    mentions, position = [], 0
    for cui, word in words:
        if cui:
            mentions.append(Mention(position, position + len(word), cui))
        position += len(word) + 1
    return Sentence(f"s{number}", 0, " ".join(word for _, word in words), tuple(mentions))


@contextmanager
def workers(processes: int) -> Iterator[psutil.Process]:
    """Run ``bali worker`` with so many processes that build batches."""
    command = [sys.executable, "-m", "bali", "worker", "--queues", "subgraphs"]
    with subprocess.Popen(
        [*command, "--concurrency", str(processes)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as worker:
        try:
            yield psutil.Process(worker.pid)
        finally:
            worker.send_signal(signal.SIGTERM)


class Observer:
    """Watches Redis's memory, and the processor time of everybody, while a stream runs."""

    def __init__(self, redis: Redis, worker: psutil.Process) -> None:
        self._redis, self._worker = redis, worker
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Observer:
        self._before = self._peak = self._memory()
        self._began = self._seconds()
        self._idle, self._started = psutil.cpu_times().idle, time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()
        passed = time.monotonic() - self._started
        cores = psutil.cpu_count() or 1
        self.cores_busy = cores - (psutil.cpu_times().idle - self._idle) / passed
        self.seconds = {role: now - self._began[role] for role, now in self._seconds().items()}

    @property
    def memory_grew(self) -> int:
        """Bytes that Redis held at most, beyond those it held before."""
        return self._peak - self._before

    def _watch(self) -> None:
        while not self._done.wait(WATCH_EVERY_S):
            self._peak = max(self._peak, self._memory())

    def _memory(self) -> int:
        memory: Any = self._redis.info("memory")
        return int(memory["used_memory"])

    def _seconds(self) -> dict[str, float]:
        started = self._worker.children(recursive=True)
        builders = [process for process in started if not process.children()]
        celery = [process for process in started if process not in builders]
        redis: Any = self._redis.info("cpu")
        return {
            "builders": _processor(builders),
            "celery": _processor(celery),
            "trainer": time.process_time(),
            "redis": redis["used_cpu_user"] + redis["used_cpu_sys"],
        }


def _processor(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return sum(time.user + time.system for time in times)


class Bench:
    """A job's stream, consumed at will."""

    def __init__(self, settings: Settings, corpus: Path, size: int) -> None:
        data = {"corpus": str(corpus), "batch_size": size, "neighbours": NEIGHBOURS}
        lengths = {"max_length": 128, "name_length": 32}
        self._prepared = prepare("demo", settings, data=data | lengths)
        self._settings, self.size = settings, size
        self._store = JobStore(connect(settings))
        self.batches = SENTENCES // size

    @property
    def spec(self) -> dict[str, Any]:
        """What its workers are told."""
        return self._prepared.spec

    def stream(
        self, epoch: int, worker: psutil.Process, pace: float = 0, share: float = 1
    ) -> dict[str, Any]:
        """Stream a share of an epoch, at ``pace`` sentences a second if given; the numbers."""
        keys = [BatchKey(epoch, index) for index in range(round(share * self.batches))]
        prepared, folder = self._prepared, self._settings.home / "jobs"
        with (
            borrowed_stream(self._store, prepared.config, prepared.spec, folder, WINDOW) as source,
            Observer(self._store.redis, worker) as observer,
        ):
            measured = measure(source, keys, self.size / pace if pace else 0)
        return {
            "sentences_s": round(measured.batches_s * self.size),
            "data_wait": round(measured.data_wait, 5),
            "cores_busy": round(observer.cores_busy, 2),
            "core_us_per_sentence": {
                role: round(1e6 * seconds / (len(keys) * self.size))
                for role, seconds in observer.seconds.items()
            },
            "bytes_per_batch": measured.payload_bytes // measured.batches,
            "redis_grew_bytes": observer.memory_grew,
        }


def build(settings: Settings, corpus: Path, size: int) -> float:
    """Return the sentences per second that this process builds, without queue or stream."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # as in a worker
    bench = Bench(settings, corpus, size)
    builder = BatchBuilder(DataSpec.model_validate(bench.spec), neighbourhoods(settings))
    for epoch in (0, 1):
        started = time.perf_counter()
        for index in range(bench.batches):
            encode(builder.build(BatchKey(epoch, index)))
    return SENTENCES / (time.perf_counter() - started)


def build_alone(settings: Settings, corpus: Path, size: int, processes: int) -> int:
    """Return the sentences per second that processes build which know nothing of each other."""
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        begun = [pool.submit(build, settings, corpus, size) for _ in range(processes)]
        return round(sum(future.result() for future in begun))


def run(rounds: int) -> dict[str, Any]:
    """Measure, and return the numbers by name."""
    settings = load_settings()
    corpus = make_corpus(settings, SENTENCES)
    benches = [Bench(settings, corpus, size) for size in BATCH_SIZES]
    turns: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
    paced: dict[int, dict[str, Any]] = {}
    alone = {
        size: [build_alone(settings, corpus, size, processes) for processes in (1, 2)]
        for size in BATCH_SIZES
    }
    for _ in range(rounds):
        for processes in (1, 2):
            with workers(processes) as worker:
                for bench in benches:
                    bench.stream(0, worker)  # warms the caches of these processes
                    turns[bench.size, processes].append(bench.stream(1, worker))
                    if bench.size not in paced:
                        paced[bench.size] = bench.stream(2, worker, TRAINER_SENTENCES_S, 0.5)
    return {
        "sentences": SENTENCES,
        "mentions_per_sentence": MENTIONS,
        "neighbours": NEIGHBOURS,
        "window": WINDOW,
        "batches_of": {
            size: _summary(turns[size, 1], turns[size, 2], paced[size], alone[size])
            for size in BATCH_SIZES
        },
    }


def _summary(
    one: list[dict[str, Any]], two: list[dict[str, Any]], paced: dict[str, Any], alone: list[int]
) -> dict[str, Any]:
    rates = [statistics.median(turn["sentences_s"] for turn in turns) for turns in (one, two)]
    every = [paced, *one, *two]
    return {
        "one_process_sentences_s": rates[0],
        "two_processes_sentences_s": rates[1],
        "two_over_one": round(rates[1] / rates[0], 2),
        "without_queue_sentences_s": alone,
        "two_over_one_without_queue": round(alone[1] / alone[0], 2),
        f"data_wait_at_{TRAINER_SENTENCES_S}_sentences_s": paced["data_wait"],
        "redis_grew_bytes": max(turn["redis_grew_bytes"] for turn in every),
        "redis_bound_bytes": WINDOW * max(turn["bytes_per_batch"] for turn in every) + 64 * 2**20,
        "rounds": {"one_process": one, "two_processes": two, "paced": paced},
    }


def main() -> None:
    """Read the options, measure, and print or record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--record", action="store_true", help="keep it in benchmarks/results")
    options = parser.parse_args()
    result = run(options.rounds)
    if options.record:
        record("streaming", result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
