"""What a study found, as data."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import mean
from typing import Any

from pydantic import BaseModel, ConfigDict

from bali_platform.base.errors import BaliError
from bali_trainers.evaluation import Estimate
from bali_trainers.evaluation.mentions import READING
from bali_trainers.evaluation.ranking import RULE
from bali_trainers.study.comparison import (
    Comparison,
    Kind,
    Measured,
    compare_models,
    estimates,
    measure,
    metric_of,
)
from bali_trainers.study.curves import Curve, mean_curve
from bali_trainers.study.grid import expand
from bali_trainers.study.outcomes import Encoding, Part, Plan, Questions, StudyFolder

Scores = dict[str, dict[Encoding, dict[str, dict[str, Estimate]]]]


class ModelResult(BaseModel):
    """What was found of one model.

    Attributes:
        role: See :class:`~bali_trainers.study.grid.Model`.
        against: For a control, what it must not be better than.
        runs: Finished runs, one a seed; 1 for a model taken as it is.
        steps: Optimiser steps of a run.
        cpu_minutes: Processor time of a run's training, on average.
        test_minutes: That of its tests.
        best: The encoding chosen for each test.
        spread: Standard deviation between seeds on each test.
        scores: By test, encoding, subset and metric; means over seeds, intervals over documents.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    role: str
    against: str | None
    runs: int
    steps: int
    cpu_minutes: float
    test_minutes: float
    best: dict[str, Encoding]
    spread: dict[str, float | None]
    scores: Scores

    def score(self, test: str, subset: str) -> Estimate:
        """Return what it is compared by on a test, in the encoding chosen for it."""
        return self.scores[test][self.best[test]][subset][metric_of(test)]


class StudyReport(BaseModel):
    """Everything that a study found."""

    model_config = ConfigDict(frozen=True)

    name: str
    graph_version: str
    code_version: str
    concepts: int
    names: int
    dictionary: str
    training: str
    machine: dict[str, Any]
    seeds: tuple[int, ...]
    rule: str = RULE
    reading: str = READING
    tests: dict[str, dict[Part, Questions]]
    missing: list[str]
    models: list[ModelResult]
    comparisons: list[Comparison]
    curves: dict[str, dict[str, Curve]]

    @property
    def main(self) -> ModelResult | None:
        """The main model, if a run of it is over."""
        return next((model for model in self.models if model.role == "main"), None)

    def of(self, kind: Kind, **wanted: str) -> Iterator[Comparison]:
        """Yield the comparisons of a kind whose fields are as ``wanted``."""
        for comparison in self.comparisons:
            fields = ((name, getattr(comparison, name)) for name in wanted)
            if comparison.kind == kind and all(wanted[name] == value for name, value in fields):
                yield comparison


def report_study(folder: StudyFolder) -> StudyReport:
    """Report on the runs that are over; raises :class:`BaliError` when none is."""
    plan = folder.plan()
    measured = measure(folder, plan, expand(plan.study))
    if not measured:
        raise BaliError(f"no run of the study in {folder.path} is over yet: wait for one")
    done = {run.key for run in folder.finished(plan)}
    return StudyReport(
        name=plan.study.name,
        graph_version=plan.graph_version,
        code_version=plan.code_version,
        concepts=plan.concepts,
        names=plan.names,
        dictionary=plan.dictionary,
        training=plan.training,
        machine=plan.machine,
        seeds=plan.study.seeds,
        tests=plan.tests,
        missing=[
            f"{run.model}, seed {run.seed}" if run.seed is not None else run.model
            for run in plan.runs
            if run.key not in done
        ],
        models=[_result(one, folder, plan) for one in measured],
        comparisons=compare_models(folder, plan, measured),
        curves=_curves(measured),
    )


def _result(one: Measured, folder: StudyFolder, plan: Plan) -> ModelResult:
    outcomes = one.outcomes
    asked = [test for test in plan.tests if one.encodings(test)]
    return ModelResult(
        name=one.model.name,
        role=one.model.role,
        against=one.model.against,
        runs=len(outcomes),
        steps=max(outcome.steps for outcome in outcomes),
        cpu_minutes=mean(outcome.cpu_s for outcome in outcomes) / 60,
        test_minutes=mean(outcome.test_cpu_s for outcome in outcomes) / 60,
        best={test: one.best(test) for test in asked},
        spread={test: one.spread(test) for test in asked},
        scores={
            test: {
                encoding: estimates(one, folder, test, encoding) for encoding in one.encodings(test)
            }
            for test in asked
        },
    )


def _curves(measured: list[Measured]) -> dict[str, dict[str, Curve]]:
    """Return the curve of each model by loss."""
    losses = {name for one in measured for o in one.outcomes for row in o.curve for name in row}
    curves: dict[str, dict[str, Curve]] = {}
    for loss in sorted(losses - {"step"}):
        for one in measured:
            seeds = [
                {row["step"]: row[loss] for row in outcome.curve if loss in row}
                for outcome in one.outcomes
            ]
            if curve := mean_curve(seeds):
                curves.setdefault(loss, {})[one.model.name] = curve
    return curves
