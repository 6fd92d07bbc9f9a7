"""Training jobs whose surroundings die: ``python -m benchmarks.soak [--runs N] [--record]``.

Starts a farm of its own in ``--home`` (``BALI_HOME/soak`` by default; see :mod:`benchmarks.farm`),
trains tiny models undisturbed and then again and again, two jobs at a time. In every run something
befalls the farm, in turns, at a random moment, and what died is started again. A run is good when
it ends with the weights of the undisturbed one. Besides, no job may be lost, be stuck, or be
trained by two for longer than one that stood still needs to hear that it was overtaken. How long
it stood after it was hit, at most, says how fast it recovered.

Prints each run as it ends, then a summary as JSON. After SIGTERM it begins no further run.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil
from redis.exceptions import RedisError
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from bali_loaders import umls
from bali_loaders.corpora import write_definitions
from bali_loaders.linking import Linker, graph_dictionary
from bali_loaders.releases import synthetic
from bali_platform import services
from bali_platform.base.errors import BaliError
from bali_platform.base.settings import Settings, load_settings
from bali_platform.graph import Graph
from bali_platform.jobs import Job, JobNotFoundError, JobStore, connect
from bali_platform.jobs.reporter import HOLDER_VARIABLE
from bali_platform.services.artefacts import StoreError
from bali_trainers.models.bases import resolve_base
from bali_trainers.training.following import bring_run
from bali_trainers.training.submission import PreparedJob, prepare
from benchmarks.farm import FAULTS, Farm
from benchmarks.record import record

TOGETHER = 2
STEPS = 60
PIECES = 500
STUCK_AFTER_S = 600
HEARS_WITHIN_S = 5.0
AMISS = ("other_weights", "unfinished", "twice_at_once", "lost")
RANKS = {"rank killed": 2}
CONFIG = f"""
name = "soak"
seed = 7
[model]
base = "tiny"
[data]
corpus = "definitions"
batch_size = 4
max_length = 48
name_length = 12
window = 8
[graph_encoder]
layers = 1
[run]
max_steps = {STEPS}
checkpoint_every = 5
log_every = 2
device = "cpu"
threads = 1
"""


def provision(settings: Settings) -> None:
    """Make a graph, a corpus, a tiny model and a configuration, unless they are there."""
    if (settings.home / "soak.toml").exists():
        services.up(settings)
        return
    synthetic.write(settings.home / "release", concepts=300, seed=1)
    umls.load(settings.home / "release", umls.LoadOptions(), settings)
    services.up(settings)
    with Graph.connect(settings) as graph:
        dictionary = graph_dictionary(graph, settings.home / "cache", withheld=0.1)
        write_definitions(graph, Linker(dictionary), settings.home / "corpora" / "definitions")
        texts = [text for _, names in graph.names() for text in names]
    model = settings.home / "tiny"
    large = AutoTokenizer.from_pretrained(resolve_base("minilm"))
    pieces = large.train_new_from_iterator(texts, PIECES)
    pieces.save_pretrained(model)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
    )
    BertForMaskedLM(config).save_pretrained(model)
    text = CONFIG.replace('"tiny"', json.dumps(str(model)))
    (settings.home / "soak.toml").write_text(text, encoding="utf-8")


@dataclass
class Run:
    """A job, and what befalls it when: after some seconds, or at a step."""

    job: Job
    fault: str
    after_s: float = math.inf
    after_step: float = math.inf
    began: float = field(default_factory=time.monotonic)
    hit: float | None = None
    at: str = ""
    moved: float = 0.0
    stood_s: float | None = None
    doubled: float | None = None
    twice_s: float = 0.0

    @property
    def seconds(self) -> float:
        """Since it was queued."""
        return time.monotonic() - self.began

    @property
    def over(self) -> bool:
        """Whether it ended, or will not any more."""
        return self.job.state.ended or self.seconds > STUCK_AFTER_S

    def note(self, job: Job, holders: set[str]) -> None:
        """Note for how long the job has stood since it was hit, and for how long two trained it."""
        now = time.monotonic()
        if self.hit is not None and (job.state.ended or job.step != self.job.step):
            self.stood_s = max(self.stood_s or 0.0, round(now - self.moved, 1))
            self.moved = now
        self.job = job
        self.doubled = (self.doubled or now) if len(holders) > 1 else None
        self.twice_s = max(self.twice_s, now - self.doubled if self.doubled else 0.0)


class Soak:
    """Runs on a farm."""

    def __init__(self, farm: Farm, dice: random.Random) -> None:
        self._farm, self._dice = farm, dice
        self._home = farm.settings.home
        self._store = JobStore(connect(farm.settings), self._home / "one")
        self._prepared: dict[int, PreparedJob] = {}
        self._wanted: dict[int, str] = {}
        self._usual_s = 0.0
        self._all: set[str] = set()

    def prepare(self, faults: Iterable[str]) -> None:
        """Train undisturbed what the runs with these faults train."""
        config, settings = self._home / "soak.toml", self._farm.settings
        for left in self._store.list():
            self._store.forget(left)
        for processes in sorted({RANKS.get(fault, 1) for fault in faults}):
            self._prepared[processes] = prepare(config, settings, run={"processes": processes})
            run = Run(self._submit(processes), "nothing")
            while not run.over:
                self._look(run)
            self._wanted[processes] = self._weights(run.job)
            if self._wanted[processes] == "none":
                raise SystemExit(f"the undisturbed run {run.job.state}: {run.job.message}")
            self._usual_s = self._usual_s or run.seconds

    def runs(self, plan: list[str]) -> list[dict[str, Any]]:
        """Do a run for each fault that ``plan`` holds, until it is empty; say how each went."""
        active: list[Run] = []
        done: list[dict[str, Any]] = []
        while plan or active:
            while plan and len(active) < TOGETHER:
                active.append(self._begin(plan.pop(0)))
            for run in list(active):
                self._look(run)
                if run.over:
                    active.remove(run)
                    done.append(self._outcome(run))
                    print(json.dumps(done[-1]), flush=True)
        return done

    def summary(self, runs: list[dict[str, Any]]) -> dict[str, Any]:
        """Say how all runs went."""
        stood = sorted(run["stood_s"] for run in runs if run["stood_s"] is not None)
        return {
            "runs": len(runs),
            "faults": Counter(run["fault"] for run in runs),
            "other_weights": sum(not run["same_weights"] for run in runs if run["ended"]),
            "unfinished": sum(run["state"] != "succeeded" for run in runs),
            "twice_at_once": sum(run["twice_s"] > HEARS_WITHIN_S for run in runs),
            "lost": len(self._all - set(self._store.ids())),
            "undisturbed_s": round(self._usual_s, 1),
            "median_s": statistics.median(run["seconds"] for run in runs),
            "stood_s": _spread(stood) if stood else None,
            "each": runs,
        }

    def _begin(self, fault: str) -> Run:
        run = Run(self._submit(RANKS.get(fault, 1)), fault)
        if self._dice.random() < 1 / 3:
            run.after_s = self._dice.uniform(0, 0.7 * self._usual_s)
        else:
            run.after_step = self._dice.randrange(2, STEPS // 2, 2)
        return run

    def _submit(self, processes: int) -> Job:
        """Queue a job; as a user would, again where Redis or the disk does not let it."""
        while True:
            self._farm.repair()
            with suppress(BaliError, RedisError):
                folder = self._home / "one" / "jobs"
                job = self._prepared[processes].queue(self._store, folder)
                self._all.add(job.id)
                self._farm.snapshot()
                return job
            time.sleep(1)

    def _look(self, run: Run) -> None:
        """Look at a run, and strike if it is time to."""
        time.sleep(0.2)
        self._farm.repair()
        job = run.job
        with suppress(RedisError, JobNotFoundError):
            job = self._store.get(job.id)
        run.note(job, self._holders(job))
        due = run.seconds >= run.after_s or run.job.step >= run.after_step
        if run.hit is None and due and not run.job.state.ended:
            run.at = f"{run.job.state} at step {run.job.step}"
            run.hit = run.moved = time.monotonic()
            self._farm.strike(run.fault, run.job)

    def _holders(self, job: Job) -> set[str]:
        found = set()
        for trainer in self._farm.trainers(job):
            with suppress(psutil.Error):
                found.add(trainer.environ().get(HOLDER_VARIABLE, ""))
        return found

    def _weights(self, job: Job) -> str:
        """Return a digest of a job's model, which the store has."""
        brought = self._home / "brought" / job.id
        with suppress(StoreError, FileNotFoundError):
            bring_run(brought, self._farm.settings)
            return sha256((brought / "model" / "model.safetensors").read_bytes()).hexdigest()
        return "none"

    def _outcome(self, run: Run) -> dict[str, Any]:
        """Say how a run went, and leave the disks to others."""
        job = run.job
        weights = self._weights(job)
        if job.state == "succeeded":
            for place in ("one/jobs", "two/jobs"):
                for part in ("checkpoints", "model"):
                    shutil.rmtree(self._home / place / job.id / part, ignore_errors=True)
            for place in ("store/jobs", "brought"):
                shutil.rmtree(self._home / place / job.id, ignore_errors=True)
        return {
            "job": job.id,
            "fault": run.fault,
            "at": run.at,
            "attempts": job.attempt,
            "seconds": round(run.seconds, 1),
            "stood_s": run.stood_s,
            "twice_s": round(run.twice_s, 1),
            "state": job.state,
            "ended": job.state.ended,
            "message": job.message,
            "same_weights": weights == self._wanted[RANKS.get(run.fault, 1)],
        }


def _spread(stood: list[float]) -> dict[str, float]:
    return {
        "runs": len(stood),
        "median": statistics.median(stood),
        "p90": stood[int(0.9 * len(stood))],
        "longest": stood[-1],
        "within_30_s": sum(each <= 30 for each in stood),
    }


@contextmanager
def prepared(settings: Settings, dice: random.Random, faults: Iterable[str]) -> Iterator[Soak]:
    """Start a farm on which runs with these faults can begin; stop it when the block ends."""
    provision(settings)
    farm = Farm(settings, dice)
    try:
        soak = Soak(farm, dice)
        soak.prepare(faults)
        yield soak
    finally:
        farm.close()


def main() -> None:
    """Read the options, run, and print or record; exit code 1 where something is amiss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=load_settings().home / "soak")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="keep it in benchmarks/results")
    options = parser.parse_args()
    home, dice = options.home.absolute(), random.Random(options.seed)
    settings = Settings(home=home, store=str(home / "store"), neo4j_memory_mb=256)
    os.environ["BALI_HOME"] = str(home)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    turns = [dice.sample([*FAULTS], len(FAULTS)) for _ in range(options.runs)]
    plan = [fault for turn in turns for fault in turn][: options.runs]
    with prepared(settings, dice, plan) as soak:
        signal.signal(signal.SIGTERM, lambda *_: plan.clear())
        result = soak.summary(soak.runs(plan)) | {"seed": options.seed}
    if options.record:
        record("soak", result)
    print(json.dumps({name: value for name, value in result.items() if name != "each"}, indent=2))
    sys.exit(any(result[name] for name in AMISS))


if __name__ == "__main__":
    main()
