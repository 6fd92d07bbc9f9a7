"""Link prediction: the other end of an edge that training never saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.evaluation.concepts import View, concept_vectors
from bali_trainers.evaluation.edge_task import EdgeTask
from bali_trainers.evaluation.metrics import Difference, Estimate, Values, compare, estimate
from bali_trainers.inference.embedding import Precision

LINK_RULE = (
    "the other end is looked for by cosine near the concept's unit vector plus its relation's: the "
    "mean difference between tail and head over known edges, as if 10 more of no difference were "
    "known; other right answers are left out; of equally near ones, half are ahead"
)
_SHRINKAGE = 10
_TIE = 1e-6
_QUERIES_AT_ONCE = 256

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class LinkOutcome:
    """What one view of a model did: ``scores[metric]`` is [2 Q], tails asked first, then heads."""

    model: str
    view: View
    precision: Precision
    scores: dict[str, Values]

    @property
    def label(self) -> str:
        """How reports call it."""
        return f"{self.model}, {self.view}"


class LinkReport(BaseModel):
    """The outcome of several models on one graph.

    Intervals are over pairs of concepts. ``differences`` are to the first model's names;
    ``neighbours`` what a graph encoder gains from neighbours over reading the name alone.
    """

    model_config = ConfigDict(frozen=True)

    graph_version: str
    withheld: float
    concepts: int
    known: int
    asked: int
    precision: Precision
    rule: str = LINK_RULE
    models: dict[str, dict[str, Estimate]]
    differences: dict[str, dict[str, Difference]]
    neighbours: dict[str, dict[str, Difference]]


def evaluate_links(
    model: str,
    task: EdgeTask,
    *,
    precision: Precision = "fp32",
    device: str = "cpu",
    reporter: Reporter = QUIET,
) -> list[LinkOutcome]:
    """Look for both ends of every asked edge among all concepts, in each view of the model."""
    found = concept_vectors(model, task, precision=precision, device=device, reporter=reporter)
    outcomes = []
    for view, vectors in found.items():
        with reporter.step(f"rank concepts, {view}"):
            outcomes.append(
                LinkOutcome(model, view, precision, link_metrics(_ranks(task, vectors)))
            )
    return outcomes


def link_metrics(ranks: Values) -> dict[str, Values]:
    """Return each query's share of each metric from its rank, from 1, [Q]."""
    hits = {f"hits@{k}": (ranks <= k).astype(float) for k in (1, 3, 10)}
    return {"mrr": 1 / ranks, **hits}


def report_links(task: EdgeTask, outcomes: Sequence[LinkOutcome]) -> LinkReport:
    """Summarise outcomes on ``task``, the first being the baseline of the others."""
    baseline, *others = outcomes
    clusters = task.clusters
    alone = {outcome.model: outcome for outcome in outcomes if outcome.view == "alone"}
    return LinkReport(
        graph_version=task.source.graph_version,
        withheld=task.withheld,
        concepts=len(task.cuis),
        known=len(task.known),
        asked=len(task.asked),
        precision=baseline.precision,
        models={
            o.label: {metric: estimate(values, clusters) for metric, values in o.scores.items()}
            for o in outcomes
        },
        differences={o.label: compare(o.scores, baseline.scores, clusters) for o in others},
        neighbours={
            o.model: compare(o.scores, alone[o.model].scores, clusters)
            for o in outcomes
            if o.view == "graph"
        },
    )


def filtered_ranks(
    queries: Vectors, candidates: Vectors, wanted: Indices, others: Sequence[Indices]
) -> Values:
    """Return the rank of the wanted candidate for each query by dot product, from 1, [Q].

    Candidates in ``others`` do not take part. Half of those equally near (within 1e-6) are ahead:
    the mean rank over all orders of them.
    """
    parts = []
    for first in range(0, len(queries), _QUERIES_AT_ONCE):
        some = slice(first, first + _QUERIES_AT_ONCE)
        scores = queries[some] @ candidates.T
        every = np.arange(len(scores))
        own = scores[every, wanted[some]][:, None]
        for row, out in zip(scores, others[some], strict=True):
            row[out] = -np.inf
        scores[every, wanted[some]] = -np.inf
        ahead = (scores > own + _TIE).sum(axis=1)
        level = (np.abs(scores - own) <= _TIE).sum(axis=1)
        parts.append(1 + ahead + level / 2)
    return np.concatenate(parts)


def relation_offsets(vectors: Vectors, known: Indices, relations: int) -> Vectors:
    """Return the vector of each relation, ``[R, d]``, see :data:`LINK_RULE`."""
    head, relation, tail = known.T
    sums = np.zeros((relations, vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, relation, vectors[tail] - vectors[head])
    counts = np.bincount(relation, minlength=relations) + _SHRINKAGE
    offsets: Vectors = (sums / counts[:, None]).astype(np.float32)
    return offsets


def _ranks(task: EdgeTask, vectors: Vectors) -> Values:
    offsets = relation_offsets(vectors, task.known, len(task.relations))
    head, relation, tail = task.asked.T
    tails, heads = _right_answers(task)
    return np.concatenate(
        [
            filtered_ranks(
                _unit(vectors[head] + offsets[relation]),
                vectors,
                tail,
                [np.array([h, *tails[h, r]]) for h, r, _ in task.asked.tolist()],
            ),
            filtered_ranks(
                _unit(vectors[tail] - offsets[relation]),
                vectors,
                head,
                [np.array([t, *heads[r, t]]) for _, r, t in task.asked.tolist()],
            ),
        ]
    )


def _right_answers(
    task: EdgeTask,
) -> tuple[dict[tuple[int, int], list[int]], dict[tuple[int, int], list[int]]]:
    """Return all tails of each (head, type), and all heads of each (type, tail)."""
    tails: dict[tuple[int, int], list[int]] = defaultdict(list)
    heads: dict[tuple[int, int], list[int]] = defaultdict(list)
    for head, relation, tail in np.concatenate([task.known, task.secret]).tolist():
        tails[head, relation].append(tail)
        heads[relation, tail].append(head)
    return tails, heads


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
