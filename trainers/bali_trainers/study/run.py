"""Running a study: every model is trained by a job, and tested by another once it is there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from redis.exceptions import RedisError

from bali_platform import __version__
from bali_platform.base.errors import UsageError
from bali_platform.base.locks import locked
from bali_platform.base.machine import machine
from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import Settings
from bali_platform.jobs import Job, JobNotFoundError, JobState, JobStore, code_version
from bali_platform.jobs.app import wake
from bali_trainers.evaluation.edge_task import LINK_RULE
from bali_trainers.evaluation.mentions import READING
from bali_trainers.evaluation.ranking import RULE
from bali_trainers.study.config import StudyConfig
from bali_trainers.study.grid import Model, expand, training_config
from bali_trainers.study.outcomes import (
    Outcome,
    Plan,
    PlannedRun,
    StudyFolder,
    content_key,
)
from bali_trainers.study.questions import Tasks, read_tasks
from bali_trainers.study.testing import ask_for_tests, read_answers
from bali_trainers.training.following import bring_run
from bali_trainers.training.journal import rows_until
from bali_trainers.training.submission import PreparedJob, pin, queue_once

QueueTest = Callable[[Path, str, Job | None], Job]
"""Queues what :func:`~bali_trainers.study.testing.ask_for_tests` wrote for a model, or a job's.

The same twice is one job; one that failed is queued again."""

_POLL_S = 1.0
_POINTS = 200  # of a learning curve


@dataclass(frozen=True)
class _Run:
    """A run to be tested: ``prepared`` is what trains it, None for a model taken as it is."""

    model: Model
    seed: int | None
    prepared: PreparedJob | None
    key: str

    def __str__(self) -> str:
        return self.model.name if self.seed is None else f"{self.model.name}, seed {self.seed}"


def study_folder(study: StudyConfig, settings: Settings) -> StudyFolder:
    """Return the folder of a study in this home."""
    return StudyFolder(settings.home / "studies" / study.name)


def run_study(
    study: StudyConfig,
    settings: Settings,
    store: JobStore,
    queue_test: QueueTest,
    *,
    reporter: Reporter = QUIET,
) -> dict[str, str]:
    """Have every model trained and tested that has not been yet; return what failed, and why.

    Whatever cannot work is refused before anything is queued. Killed at any point, the same call
    goes on: jobs and outcomes are found by what they are made of, and none is made twice.
    """
    models = expand(study)
    folder = study_folder(study, settings)
    taken = UsageError(f"the study in {folder.path} is running already")
    with locked(folder.path / "lock", taken):
        tasks = read_tasks(study, settings)
        runs = list(_runs(study, models, tasks, settings))
        folder.write_plan(_plan(study, tasks, runs), tasks.groups())
        return _Runner(study, folder, settings, store, queue_test, reporter).run(runs)


@dataclass(frozen=True)
class _Step:
    """A job that a run waits for: it trains the model, or tests what ``trained`` has left."""

    run: _Run
    job: Job
    tests: bool = False
    trained: Job | None = None


class _Runner:
    """Queues what is missing, and keeps what comes of it."""

    def __init__(
        self,
        study: StudyConfig,
        folder: StudyFolder,
        settings: Settings,
        store: JobStore,
        queue_test: QueueTest,
        reporter: Reporter,
    ) -> None:
        self._study, self._folder, self._queue_test = study, folder, queue_test
        self._settings, self._store, self._reporter = settings, store, reporter
        self._jobs = settings.home / "jobs"
        self._total = self._done = 0

    def run(self, runs: Sequence[_Run]) -> dict[str, str]:
        distinct = {run.key: run for run in runs}
        missing = [run for key, run in distinct.items() if not self._folder.has(key)]
        self._total, self._done = len(distinct), len(distinct) - len(missing)
        self._reporter.say(f"{self._done} of {self._total} runs are there already")
        steps = [
            _Step(run, queue_once(run.prepared, self._store, self._jobs))
            for seed in self._study.seeds  # so that a report of half of them has every model
            for run in missing
            if run.prepared is not None and run.seed == seed
        ]
        steps += [self._test(run) for run in missing if run.prepared is None]
        for _ in steps:
            wake()
        failed: dict[str, str] = {}
        while steps:
            for step in list(steps):
                with suppress(RedisError, ConnectionError):  # the next round goes on with it
                    self._look(step, steps, failed)
            time.sleep(_POLL_S if steps else 0)
        return failed

    def _look(self, step: _Step, steps: list[_Step], failed: dict[str, str]) -> None:
        """Look at a step; one that is over leaves its place in ``steps`` to what follows it."""
        try:
            job = self._store.get(step.job.id)
        except JobNotFoundError:
            self._store.recover(self._jobs)
            return
        if not job.state.ended:
            return
        if job.state != JobState.SUCCEEDED:
            failed[str(step.run)] = f"job {job.id} {job.state}: {job.message or 'as asked'}"
            self._reporter.say(f"{step.run}: {failed[str(step.run)]}")
        elif step.tests:
            self._keep(step.run, job, step.trained)
        else:
            steps.append(self._test(step.run, job))
        steps.remove(step)
        wake()

    def _test(self, run: _Run, trained: Job | None = None) -> _Step:
        asked = self._folder.path / "asked" / f"{run.key}.json"
        ask_for_tests(self._study, asked, self._settings)
        return _Step(run, self._queue_test(asked, run.model.source or "", trained), True, trained)

    def _keep(self, run: _Run, tested: Job, trained: Job | None) -> None:
        found = read_answers(self._brought(tested, "report.json") / "report.json")
        outcome = Outcome()
        if trained is not None and run.prepared is not None:
            outcome = _outcome(trained, self._brought(trained, "model") / "metrics.jsonl")
            if trained.name == run.prepared.name:
                # Hundreds of megabytes a run, of use to nobody once it has ended; its model stays.
                shutil.rmtree(trained.folder / "checkpoints", ignore_errors=True)
        spent = {"test_cpu_s": found.cpu_s}
        self._folder.write(run.key, outcome.model_copy(update=spent), found.scores)
        self._done += 1
        self._reporter.say(f"{self._done}/{self._total}  {run}: tested")

    def _brought(self, job: Job, made: str) -> Path:
        """Return the folder of a job that made something, perhaps in another home."""
        if not (job.folder / made).exists():
            bring_run(job.folder, self._settings)
        return job.folder


def _runs(
    study: StudyConfig, models: Sequence[Model], tasks: Tasks, settings: Settings
) -> Iterator[_Run]:
    asked = (
        list(study.tests),
        tasks.corpora,
        tasks.graph_version,
        study.encodings,
        study.arithmetic,
        study.choose_documents,
        study.published,
        study.edges and study.edges.model_dump(),
        (RULE, READING, LINK_RULE, __version__),
    )
    for model in models:
        if model.source is not None:
            yield _Run(model, None, None, content_key(model.source, *asked))
            continue
        for seed in study.seeds:
            config = training_config(study, model.name, dict(model.choices), seed)
            prepared = pin(config, settings)
            trained = (prepared.content, code_version())
            yield _Run(model, seed, prepared, content_key(trained, *asked))


def _plan(study: StudyConfig, tasks: Tasks, runs: Sequence[_Run]) -> Plan:
    return Plan(
        study=study,
        graph_version=tasks.graph_version,
        code_version=code_version(),
        concepts=len(tasks.known.table.cuis),
        names=len(tasks.known.table.names),
        dictionary=tasks.known.digest,
        training=tasks.training,
        machine=machine(),
        tests=tasks.described(),
        runs=tuple(PlannedRun(model=r.model.name, seed=r.seed, key=r.key) for r in runs),
    )


def _outcome(job: Job, metrics: Path) -> Outcome:
    """Describe a training that is over."""
    rows = list(rows_until(metrics, job.total))
    return Outcome(
        steps=int(rows[-1]["step"]),
        cpu_s=sum(row["cpu_s"] for row in rows),
        curve=tuple(_losses(rows)),
        job=job.id,
    )


def _losses(rows: Sequence[dict[str, float]]) -> Iterator[dict[str, float]]:
    """Thin out a run's metrics to what a curve shows."""
    for number in range(0, len(rows), max(1, len(rows) // _POINTS)):
        row = rows[number]
        yield {name: v for name, v in row.items() if name == "step" or name.endswith("/loss")}
