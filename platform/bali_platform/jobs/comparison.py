"""Training jobs side by side: the settings that differ, and what each came to."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from pydantic import BaseModel, ConfigDict

from bali_platform.jobs.model import Job, JobState
from bali_platform.jobs.store import JobStore

POINTS = 300


class Measured(BaseModel):
    """A metric of a run: as it was last, and the best, of a loss the lowest, with its step."""

    model_config = ConfigDict(frozen=True)

    last: float
    best: float
    step: int


class Run(BaseModel):
    """What a job came to; ``minutes`` since it was first started, None before.

    ``curve`` are rows of all metrics by step, some hundred of them at most.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    state: JobState
    step: int
    total: int
    minutes: float | None
    metrics: dict[str, Measured]
    curve: tuple[dict[str, float], ...]


class Comparison(BaseModel):
    """Jobs, and the settings that are not the same in all of them: a value for each job."""

    model_config = ConfigDict(frozen=True)

    jobs: tuple[Run, ...]
    settings: dict[str, tuple[Any, ...]]


def compare(store: JobStore, ids: Sequence[str]) -> Comparison:
    """Compare jobs, in the order of ``ids``; raises :class:`JobNotFoundError`."""
    found = [store.get(job_id) for job_id in ids]
    runs = (_run(job, [row for _, row in store.metrics(job.id)]) for job in found)
    return Comparison(jobs=tuple(runs), settings=differing([_settings(job) for job in found]))


def differing(settings: Sequence[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Return those settings that are not the same everywhere, None where there is none.

    >>> differing([{"seed": 1, "data.window": 8}, {"seed": 2, "data.window": 8}])
    {'seed': (1, 2)}
    """
    names = dict.fromkeys(name for each in settings for name in each)
    rows = {name: tuple(each.get(name) for each in settings) for name in names}
    return {name: row for name, row in rows.items() if any(value != row[0] for value in row)}


def _settings(job: Job) -> dict[str, Any]:
    pinned = {name: job.spec.get(name) for name in ("graph_version", "corpus_sha")}
    own = {name: value for name, value in job.config.items() if name != "name"}
    return {**dict(_flat(own, "")), **pinned, "code": job.code_version}


def _flat(settings: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _run(job: Job, rows: Iterable[dict[str, float]]) -> Run:
    # Steps that a resumed run made again count once.
    by_step = {int(row["step"]): row for row in rows}
    names = dict.fromkeys(name for row in by_step.values() for name in row if _is_result(name))
    until = job.finished_at or time.time()
    return Run(
        **{name: getattr(job, name) for name in ("id", "name", "state", "step", "total")},
        minutes=(until - job.started_at) / 60 if job.started_at else None,
        metrics={
            name: _measured(name, [(s, row[name]) for s, row in by_step.items() if name in row])
            for name in names
        },
        curve=_thinned([by_step[step] for step in sorted(by_step)]),
    )


def _thinned(rows: Sequence[dict[str, float]]) -> tuple[dict[str, float], ...]:
    """Return the last row of each of at most :data:`POINTS` runs of rows, their metrics joined."""
    size = -(-len(rows) // POINTS) or 1
    parts = (rows[first : first + size] for first in range(0, len(rows), size))
    return tuple(dict(chain.from_iterable(row.items() for row in part)) for part in parts)


def _is_result(name: str) -> bool:
    """Whether a metric says what was learned, and not how fast."""
    return name.endswith("loss") or "/" in name


def _measured(name: str, values: Sequence[tuple[int, float]]) -> Measured:
    choose = min if name.endswith("loss") else max
    step, best = choose(values, key=lambda pair: pair[1])
    return Measured(last=values[-1][1], best=best, step=step)
