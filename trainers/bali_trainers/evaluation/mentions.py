"""Entity linking on given spans: what models answer, and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.evaluation.encoders import Encoder, open_encoder
from bali_trainers.evaluation.mention_task import READING, MentionTask
from bali_trainers.evaluation.metrics import (
    Difference,
    Estimate,
    Values,
    compare,
    estimate,
    rank_metrics,
)
from bali_trainers.evaluation.ranking import RULE, Bearers, rank_concepts
from bali_trainers.inference.embedding import Precision

Encoding = Literal["name", "context", "mixed"]
Metrics = dict[str, Estimate]


@dataclass(frozen=True)
class MentionOutcome:
    """What one model did with every mention in one encoding: ``scores[metric]`` is [M].

    ``cut`` mentions were beyond the length of a sentence, and encoded by their text alone.
    """

    corpus: str
    model: str
    encoding: Encoding
    precision: Precision
    scores: dict[str, Values]
    cut: int = 0

    @property
    def label(self) -> str:
        """How reports call it."""
        return f"{self.model}, {self.encoding}"


class MentionReport(BaseModel):
    """The outcome of several models on one corpus.

    The subsets: ``all`` mentions; ``unmatched`` ones, whose text no name of a right concept equals
    but for case; ``open`` ones, which are called what no concept is called, so that no dictionary
    decides what they mean; ``refined`` ones, each text and concept once, and none that training
    mentioned. Intervals are over documents. ``differences`` are to the first model in the same
    encoding.
    """

    model_config = ConfigDict(frozen=True)

    corpus: str
    training: list[str] = []
    overlapping: int = 0
    graph_version: str
    concepts: int
    names: int
    mentions: int
    unmatched: int
    open: int
    refined: int
    unknown: int
    precision: Precision
    rule: str = RULE
    reading: str = READING
    cut: dict[str, int]
    models: dict[str, dict[str, Metrics]]
    differences: dict[str, dict[str, dict[str, Difference]]]


def evaluate_mentions(
    model: str,
    tasks: Sequence[MentionTask],
    encodings: Sequence[Encoding] = ("name",),
    *,
    precision: Precision = "fp32",
    device: str = "cpu",
    reporter: Reporter = QUIET,
) -> list[MentionOutcome]:
    """Link every mention to the concept with the nearest name, by cosine, over all names.

    The tasks share a dictionary, which is encoded once. A mention is encoded as what it is called
    (``name``), as the mean of its tokens in the sentence (``context``), or as the sum of both unit
    vectors (``mixed``). Outcomes come by task.
    """
    encoder = open_encoder(model, precision=precision, device=device)
    table = tasks[0].table
    mentions = [name for task in tasks for name in task.names]
    # All of them together: those that are tokenised alike get the same vector to the last bit.
    embedded = encoder.encode([*table.names, *mentions], reporter=reporter)
    bearers = table.by_vector(embedded.row)
    ends = len(table.names) + np.cumsum([len(task.gold) for task in tasks])
    outcomes = []
    for task, end in zip(tasks, ends.tolist(), strict=True):
        own = embedded.row[end - len(task.gold) : end]
        vectors, cut = _encode(encoder, task, embedded.vectors[own], encodings, reporter)
        for encoding in encodings:
            row, lost = (own, 0) if encoding == "name" else (np.arange(len(own)), cut)
            with reporter.step(f"rank concepts, {encoding}"):
                scores = _score(task, embedded.vectors, bearers, vectors[encoding], row)
            outcomes.append(MentionOutcome(task.corpus, model, encoding, precision, scores, lost))
    return outcomes


def _encode(
    encoder: Encoder,
    task: MentionTask,
    names: NDArray[np.floating],
    encodings: Sequence[Encoding],
    reporter: Reporter,
) -> tuple[dict[Encoding, NDArray[np.float32]], int]:
    """Return vectors of the mentions by encoding, each [M, d], and how many were cut."""
    by_name = names.astype(np.float32)
    if set(encodings) == {"name"}:
        return {"name": by_name}, 0
    in_context = encoder.encode_in_context(task.spans, reporter=reporter)
    lost = ~in_context.any(axis=1)
    in_context[lost] = by_name[lost]
    mixed = _unit(in_context + by_name)
    return {"name": by_name, "context": in_context, "mixed": mixed}, int(lost.sum())


def report_mentions(
    task: MentionTask,
    outcomes: Sequence[MentionOutcome],
    *,
    graph_version: str,
    training: Sequence[str] = (),
    overlapping: int = 0,
) -> MentionReport:
    """Summarise outcomes on ``task``; the first model is the baseline of the others."""
    baselines = {o.encoding: o for o in outcomes if o.model == outcomes[0].model}
    return MentionReport(
        corpus=task.corpus,
        training=list(training),
        overlapping=overlapping,
        graph_version=graph_version,
        concepts=len(task.table.cuis),
        names=len(task.table.names),
        mentions=len(task.gold),
        unmatched=int(task.unmatched.sum()),
        open=int(task.open.sum()),
        refined=int(task.refined.sum()),
        unknown=task.unknown,
        precision=outcomes[0].precision,
        cut={outcome.label: outcome.cut for outcome in outcomes},
        models={
            outcome.label: {
                subset: {
                    metric: estimate(values[chosen], clusters)
                    for metric, values in outcome.scores.items()
                }
                for subset, (chosen, clusters) in _subsets(task).items()
            }
            for outcome in outcomes
        },
        differences={
            outcome.label: {
                subset: compare(
                    _chosen(outcome, chosen), _chosen(baselines[outcome.encoding], chosen), clusters
                )
                for subset, (chosen, clusters) in _subsets(task).items()
            }
            for outcome in outcomes
            if outcome is not baselines[outcome.encoding]
        },
    )


def _score(
    task: MentionTask,
    names: NDArray[np.floating],
    bearers: Bearers,
    vectors: NDArray[np.float32],
    row: NDArray[np.int64],
) -> dict[str, Values]:
    """Rank once what has the same vector (``row``) and the same concepts."""
    kinds = {gold: number for number, gold in enumerate(dict.fromkeys(task.gold))}
    kind = np.array([kinds[gold] for gold in task.gold])
    _, first, back = np.unique(
        np.stack([row, kind]), axis=1, return_index=True, return_inverse=True
    )
    gold = [np.array(task.gold[mention]) for mention in first]
    ranks = rank_concepts(vectors[first], names, bearers, gold)
    return {metric: values[back.reshape(-1)] for metric, values in rank_metrics(ranks).items()}


def _subsets(task: MentionTask) -> dict[str, tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Return for each subset that is not empty its mentions and their documents, renumbered."""
    every = np.ones(len(task.gold), dtype=bool)
    chosen = {
        "all": every,
        "unmatched": task.unmatched,
        "open": task.open,
        "refined": task.refined,
    }
    return {
        subset: (mask, np.unique(task.document[mask], return_inverse=True)[1])
        for subset, mask in chosen.items()
        if mask.any()
    }


def _chosen(outcome: MentionOutcome, mask: NDArray[np.bool_]) -> dict[str, Values]:
    return {metric: values[mask] for metric, values in outcome.scores.items()}


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
