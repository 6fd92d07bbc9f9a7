"""Name linking: looking up withheld synonyms by their nearest name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.evaluation.encoders import open_encoder
from bali_trainers.evaluation.metrics import (
    Difference,
    Estimate,
    Values,
    compare,
    estimate,
    rank_metrics,
)
from bali_trainers.evaluation.name_task import NameTask
from bali_trainers.evaluation.ranking import RULE, rank_concepts
from bali_trainers.inference.embedding import Precision


@dataclass(frozen=True)
class NameOutcome:
    """What one model did with every query: ``scores[metric]`` is [Q]."""

    model: str
    precision: Precision
    scores: dict[str, Values]


class NameReport(BaseModel):
    """The outcome of several models on one task, as shown and stored.

    ``differences`` are each model's after the first, minus the first's.
    """

    model_config = ConfigDict(frozen=True)

    graph_version: str
    withheld: float
    concepts: int
    names: int
    queries: int
    precision: Precision
    rule: str = RULE
    models: dict[str, dict[str, Estimate]]
    differences: dict[str, dict[str, Difference]]


def evaluate_names(
    model: str,
    task: NameTask,
    *,
    precision: Precision = "fp32",
    device: str = "cpu",
    reporter: Reporter = QUIET,
) -> NameOutcome:
    """Link every query to the concept with the nearest name, by cosine, over all names."""
    encoder = open_encoder(model, precision=precision, device=device)
    embedded = encoder.encode([*task.names, *task.queries], reporter=reporter)
    ranks = rank_concepts(
        embedded.vectors[embedded.row[len(task.names) :]],
        embedded.vectors,
        task.by_vector(embedded.row),
        [np.array(gold) for gold in task.gold],
    )
    return NameOutcome(model, precision, rank_metrics(ranks))


def report_names(
    task: NameTask, outcomes: list[NameOutcome], *, graph_version: str, withheld: float
) -> NameReport:
    """Summarise outcomes, the first being the baseline of the others."""
    baseline, *others = outcomes
    return NameReport(
        graph_version=graph_version,
        withheld=withheld,
        concepts=len(task.cuis),
        names=len(task.names),
        queries=len(task.queries),
        precision=baseline.precision,
        models={
            outcome.model: {name: estimate(values) for name, values in outcome.scores.items()}
            for outcome in outcomes
        },
        differences={other.model: compare(other.scores, baseline.scores) for other in others},
    )
