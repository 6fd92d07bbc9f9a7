"""Training jobs whose surroundings die: ``python -m benchmarks.soak [--runs N] [--record]``.

Starts its own services in ``--home`` (``BALI_HOME/soak`` by default), trains a tiny model once
undisturbed and then again and again, two jobs at a time. Every run has one thing killed with
SIGKILL at a random moment, and everything that died is started again. A run is good when it ends
with the weights of the undisturbed one. Besides, no job may be lost, run twice at once or be stuck,
and Redis may never hold more than the windows of batches and 64 MiB.

Prints each run as it ends, then a summary as JSON. ``--append`` adds to what was recorded before.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis.exceptions import RedisError
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from bali_loaders import umls
from bali_loaders.corpora import write_definitions
from bali_loaders.linking import Linker, graph_dictionary
from bali_loaders.releases import synthetic
from bali_platform import services
from bali_platform.base.settings import Settings, load_settings
from bali_platform.graph import Graph
from bali_platform.jobs import Job, JobNotFoundError, JobState, JobStore, connect
from bali_platform.jobs.app import app, wake
from bali_platform.services.workers import settings_environment
from bali_platform.streaming import encode
from bali_platform.subgraphs import neighbourhoods, open_cache
from bali_trainers.batches.builder import BatchBuilder
from bali_trainers.batches.spec import DataSpec
from bali_trainers.models.bases import resolve_base
from bali_trainers.training.submission import PreparedJob, prepare
from benchmarks.record import RESULTS, record

VICTIMS = (
    *("trainer", "batch process", "batch worker", "training worker", "supervisor"),
    *("redis", "redis and its data", "neo4j", "api"),
)
SERVICES = {"redis", "neo4j", "worker-subgraphs", "worker-gpu"}
TOGETHER = 2
WINDOW = 4
STUCK_AFTER_S = 600
SPARE_BYTES = 64 * 2**20
AMISS = ("other_weights", "stuck", "failed", "twice_at_once", "api_silent", "lost_jobs")
CONFIG = f"""
name = "soak"
seed = 7
[model]
base = "tiny"
[data]
corpus = "definitions"
batch_size = 8
max_length = 48
name_length = 12
window = {WINDOW}
[graph_encoder]
layers = 1
[run]
max_steps = 150
checkpoint_every = 10
log_every = 10
device = "cpu"
threads = 1
"""


def provision(settings: Settings) -> None:
    """Make a graph, a corpus, a tiny model and a configuration, unless they are there."""
    if (settings.home / "soak.toml").exists():
        return
    synthetic.write(settings.home / "release", concepts=400, seed=1)
    umls.load(settings.home / "release", umls.LoadOptions(), settings)
    services.up(settings)
    with Graph.connect(settings) as graph:
        dictionary = graph_dictionary(graph, settings.home / "cache", withheld=0.1)
        write_definitions(graph, Linker(dictionary), settings.home / "corpora" / "definitions")
    model = settings.home / "tiny"
    shape = BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    BertForMaskedLM(shape).save_pretrained(model)
    AutoTokenizer.from_pretrained(resolve_base("minilm")).save_pretrained(model)
    config = CONFIG.replace('"tiny"', json.dumps(str(model)))
    (settings.home / "soak.toml").write_text(config, encoding="utf-8")


def prepare_job(settings: Settings) -> PreparedJob:
    """Prepare the job that all runs repeat."""
    return prepare(settings.home / "soak.toml", settings)


@dataclass
class Run:
    """A job, and what is killed when."""

    job: Job
    victim: str
    after_s: float
    began: float = field(default_factory=time.monotonic)
    at: str | None = None
    twice: bool = False

    @property
    def seconds(self) -> float:
        """Since it was queued."""
        return time.monotonic() - self.began


class Farm:
    """The services and workers of a home, started again whenever they die."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.peak = 0
        self._environment = os.environ | settings_environment(settings)
        self._extra: dict[str, subprocess.Popen[bytes]] = {}

    def repair(self) -> None:
        """Start whatever does not run."""
        if not services.running(self.settings) >= SERVICES:
            services.up(self.settings, workers=True)
        self._keep("worker", "worker", "--queues", "gpu")
        self._keep("api", "serve", "--port", "0")

    def _keep(self, name: str, *arguments: str) -> None:
        if name in self._extra and self._extra[name].poll() is None:
            return
        command = [sys.executable, "-m", "bali", *arguments]
        self._extra[name] = subprocess.Popen(
            command,
            env=self._environment | {"CUDA_VISIBLE_DEVICES": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        """Stop everything."""
        for process in self._extra.values():
            process.terminate()
            process.wait()
        services.down(self.settings)

    @cached_property
    def store(self) -> JobStore:
        """The job records; Redis keeps its port however often it starts."""
        return JobStore(connect(self.settings))

    def submit(self) -> Job:
        """Queue another run of the job."""
        prepared = prepare_job(self.settings)
        folder = self.settings.home / "jobs"
        job = self.store.submit("train", prepared.name, prepared.config, prepared.spec, folder)
        wake()
        return job

    def look(self, run: Run) -> Job:
        """Return the job as it now is; as it was, while Redis is away or has lost it."""
        with suppress(RedisError, JobNotFoundError):
            memory: Any = self.store.redis.info("memory")
            self.peak = max(self.peak, int(memory["used_memory"]))
            run.job = self.store.get(run.job.id)
        run.twice |= len(self.trainers(run.job)) > 1
        return run.job

    def trainers(self, job: Job) -> list[psutil.Process]:
        """Return the processes that train a job."""
        return self._processes("bali_trainers.training.start", job.id)

    def kill(self, run: Run, dice: random.Random) -> None:
        """Kill the victim of a run, now."""
        for process in self._victims(run, dice):
            with suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(10)
        if run.victim == "redis and its data":
            shutil.rmtree(self.settings.home / "redis")

    def _victims(self, run: Run, dice: random.Random) -> list[psutil.Process]:
        if run.victim == "trainer":
            return self.trainers(run.job)
        if run.victim == "api":
            return [psutil.Process(self._extra["api"].pid)]
        if run.victim in ("redis", "redis and its data"):
            return self._recorded("redis")
        batch = self._processes("celery", "--queues subgraphs")
        if run.victim == "neo4j":
            # What asks Neo4j is what knows nothing yet: new processes, and an empty cache.
            with suppress(RedisError):
                open_cache(self.settings).clear()
            return self._recorded("neo4j") + [p for p in batch if not p.children()]
        found = {
            "batch process": [p for p in batch if not p.children()],
            "batch worker": [p for p in batch if p.children()],
            "training worker": self._processes("celery", "--queues gpu"),
            "supervisor": self._processes("bali worker"),
        }[run.victim]
        return [dice.choice(found)] if found else []

    def _recorded(self, name: str) -> list[psutil.Process]:
        record = json.loads((self.settings.home / "run" / f"{name}.json").read_text("utf-8"))
        return [psutil.Process(record["pid"])] if psutil.pid_exists(record["pid"]) else []

    def _processes(self, *words: str) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = " ".join(process.info["cmdline"] or [])
            if all(word in line for word in words) and "jobs.tether" not in line:
                with suppress(psutil.Error):
                    if process.environ().get("BALI_HOME") == str(self.settings.home):
                        found.append(process)
        return found

    def answers(self) -> bool:
        """Whether the API can be reached and finds everything well."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            self.repair()
            url = services.status(self.settings).api.url
            with suppress(httpx.HTTPError):
                return httpx.get(f"{url}/health", timeout=10).is_success
            time.sleep(0.5)
        return False

    def window_bytes(self) -> int:
        """Return what the windows of all jobs at once may hold, for the largest of some batches."""
        spec = DataSpec.model_validate(prepare_job(self.settings).spec)
        builder = BatchBuilder(spec, neighbourhoods(self.settings))
        sizes = [len(encode(builder.build(key))) for key in builder.keys(epochs=3)[:20]]
        return TOGETHER * WINDOW * max(sizes)


@contextmanager
def farm(settings: Settings) -> Iterator[Farm]:
    """Provide a farm on a provisioned home; its services stop afterwards."""
    os.environ |= settings_environment(settings)
    provision(settings)
    running = Farm(settings)
    try:
        running.repair()
        app.conf.broker_url = services.redis_url(settings)
        yield running
    finally:
        running.close()


def weights(job: Job) -> str:
    """Return a digest of a job's exported model."""
    model = job.folder / "model" / "model.safetensors"
    return sha256(model.read_bytes()).hexdigest() if model.exists() else "none"


def undisturbed(farm: Farm) -> tuple[str, float]:
    """Return the weights, and the seconds, of a run that nothing happens to."""
    run = Run(farm.submit(), "nothing", 0.0)
    while not farm.look(run).state.ended and run.seconds < STUCK_AFTER_S:
        time.sleep(0.2)
    if run.job.state != JobState.SUCCEEDED:
        raise SystemExit(f"the undisturbed run {run.job.state}: {run.job.message}")
    return weights(run.job), run.seconds


def soak(farm: Farm, runs: int, seed: int) -> dict[str, Any]:
    """Do ``runs`` runs, and say how each went."""
    dice = random.Random(seed)  # noqa: S311
    expected, usual_s = undisturbed(farm)
    plan = [VICTIMS[number % len(VICTIMS)] for number in range(runs)]
    dice.shuffle(plan)
    active: list[Run] = []
    done: list[dict[str, Any]] = []
    while plan or active:
        farm.repair()
        while plan and len(active) < TOGETHER:
            active.append(Run(farm.submit(), plan.pop(), dice.uniform(0, usual_s)))
        for run in list(active):
            job = farm.look(run)
            if run.at is None and run.seconds >= run.after_s:
                run.at = f"{job.state} at step {job.step}"
                farm.kill(run, dice)
            elif job.state.ended or run.seconds > STUCK_AFTER_S:
                active.remove(run)
                done.append(outcome(farm, run, expected))
                print(json.dumps(done[-1]), flush=True)
        time.sleep(0.2)
    return {
        "undisturbed_s": round(usual_s, 1),
        "redis_peak_bytes": farm.peak,
        "redis_bound_bytes": farm.window_bytes() + SPARE_BYTES,
        "lost_jobs": len({run["job"] for run in done} - set(farm.store.ids())),
        "runs": done,
    }


def outcome(farm: Farm, run: Run, expected: str) -> dict[str, Any]:
    """Say how a run went."""
    job = run.job
    return {
        "job": job.id,
        "victim": run.victim,
        "killed": run.at,
        "attempts": job.attempt,
        "seconds": round(run.seconds, 1),
        "state": job.state,
        "message": job.message,
        "same_weights": weights(job) == expected,
        "twice_at_once": run.twice,
        "api_answers": farm.answers(),
    }


def summary(series: list[dict[str, Any]]) -> dict[str, Any]:
    """Say how all runs went."""
    runs = [run for part in series for run in part["runs"]]
    usual = statistics.median(part["undisturbed_s"] for part in series)
    return {
        "runs": len(runs),
        "killed": Counter(run["victim"] for run in runs if run["killed"]),
        "other_weights": sum(not run["same_weights"] for run in runs),
        "stuck": sum(run["state"] in ("queued", "running") for run in runs),
        "failed": sum(run["state"] in ("failed", "cancelled") for run in runs),
        "twice_at_once": sum(run["twice_at_once"] for run in runs),
        "api_silent": sum(not run["api_answers"] for run in runs),
        "lost_jobs": sum(part["lost_jobs"] for part in series),
        "redis_peak_bytes": max(part["redis_peak_bytes"] for part in series),
        "redis_bound_bytes": min(part["redis_bound_bytes"] for part in series),
        "undisturbed_s": usual,
        "median_s": statistics.median(run["seconds"] for run in runs),
        "longest_s": max(run["seconds"] for run in runs),
        "series": series,
    }


def recorded() -> list[dict[str, Any]]:
    """Return the series of runs recorded before."""
    path = RESULTS / "soak.json"
    earlier: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["series"]
    return earlier


def main() -> None:
    """Read the options, run, and print or record; exit code 1 where something is amiss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=load_settings().home / "soak")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="keep it in benchmarks/results")
    parser.add_argument("--append", action="store_true", help="keep it with those kept before")
    options = parser.parse_args()
    series = recorded() if options.append else []
    settings = Settings(home=options.home.absolute(), neo4j_memory_mb=256)
    with farm(settings) as running:
        series.append(soak(running, options.runs, options.seed))
    result = summary(series)
    if options.record or options.append:
        record("soak", result)
    print(json.dumps({name: value for name, value in result.items() if name != "series"}, indent=2))
    sys.exit(any(result[name] for name in AMISS))


if __name__ == "__main__":
    main()
