"""What a model forgot of language at large: everyday sentences before and after alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.evaluation.metrics import Difference, Estimate, Values, compare, estimate
from bali_trainers.inference.embedding import NameEncoder, Precision

NEAREST = 10
"""Nearest sentences that are compared."""

_LONGEST = 64
Matrix = NDArray[np.float64]
Triplet = tuple[str, str, str]


@dataclass(frozen=True)
class GeneralOutcome:
    """What one model made of the T triplets.

    Attributes:
        scores: ``paraphrase``: 1 where the paraphrase is nearer than the decoy, else 0, [T].
        cosines: Of all 3 T sentences with each other.
    """

    model: str
    precision: Precision
    scores: dict[str, Values]
    cosines: Matrix


class GeneralReport(BaseModel):
    """How well models tell everyday sentences apart, and how far they agree with the first one.

    Intervals are over triplets. ``agreement`` has, in the mean over sentences, the share of the 10
    nearest sentences that stayed (``neighbours kept``), and the rank correlation of the cosines to
    all other sentences (``rank correlation``).
    """

    model_config = ConfigDict(frozen=True)

    triplets: int
    precision: Precision
    models: dict[str, dict[str, Estimate]]
    differences: dict[str, dict[str, Difference]]
    agreement: dict[str, dict[str, Estimate]]


def general_triplets() -> list[Triplet]:
    """Return the shipped triplets: a sentence, the same in other words, and a decoy.

    The decoy shares words with the sentence and says something else.
    """
    text = files("bali_trainers.evaluation").joinpath("general.txt").read_text(encoding="utf-8")
    blocks = [block.splitlines() for block in text.strip().split("\n\n")]
    return [(sentence, paraphrase, decoy) for sentence, paraphrase, decoy in blocks]


def evaluate_general(
    model: str,
    triplets: Sequence[Triplet],
    *,
    precision: Precision = "fp32",
    device: str = "cpu",
    reporter: Reporter = QUIET,
) -> GeneralOutcome:
    """Encode all sentences as names are, and compare them by cosine."""
    encoder = NameEncoder(model, name_length=_LONGEST, precision=precision, device=device)
    embedded = encoder.encode([text for triplet in triplets for text in triplet], reporter=reporter)
    vectors = embedded.vectors[embedded.row].astype(np.float64)
    cosines = vectors @ vectors.T
    first = np.arange(0, len(cosines), 3)
    right = cosines[first, first + 1] > cosines[first, first + 2]
    return GeneralOutcome(model, precision, {"paraphrase": right.astype(float)}, cosines)


def report_general(outcomes: Sequence[GeneralOutcome]) -> GeneralReport:
    """Summarise outcomes on the same triplets, the first being the baseline of the others."""
    baseline, *others = outcomes
    clusters = np.arange(len(baseline.cosines)) // 3
    return GeneralReport(
        triplets=len(baseline.cosines) // 3,
        precision=baseline.precision,
        models={
            outcome.model: {metric: estimate(values) for metric, values in outcome.scores.items()}
            for outcome in outcomes
        },
        differences={other.model: compare(other.scores, baseline.scores) for other in others},
        agreement={
            other.model: {
                "neighbours kept": estimate(
                    kept_neighbours(baseline.cosines, other.cosines), clusters
                ),
                "rank correlation": estimate(
                    rank_correlations(baseline.cosines, other.cosines), clusters
                ),
            }
            for other in others
        },
    )


def kept_neighbours(before: Matrix, after: Matrix, nearest: int = NEAREST) -> Values:
    """Return, by row, the share of its nearest others that are so in both matrices, [N].

    ``nearest`` counts at most all others; of equally near ones the first come first.
    """
    count = min(nearest, len(before) - 1)

    def rows(cosines: Matrix) -> NDArray[np.bool_]:
        away = cosines.copy()
        np.fill_diagonal(away, -np.inf)
        chosen = np.zeros(away.shape, dtype=bool)
        np.put_along_axis(chosen, np.argsort(-away, axis=1, kind="stable")[:, :count], True, axis=1)
        return chosen

    share: Values = (rows(before) & rows(after)).sum(axis=1) / count
    return share


def rank_correlations(before: Matrix, after: Matrix) -> Values:
    """Return, by row, Spearman's correlation of both matrices without their diagonals, [N]."""
    off = ~np.eye(len(before), dtype=bool)

    def ranks(cosines: Matrix) -> Matrix:
        rows = cosines[off].reshape(len(cosines), -1)
        placed = np.stack([_mean_ranks(row) for row in rows])
        centred: Matrix = placed - placed.mean(axis=1, keepdims=True)
        return centred

    one, other = ranks(before), ranks(after)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    correlations: Values = (one * other).sum(axis=1) / lengths
    return correlations


def _mean_ranks(values: Values) -> Values:
    """Rank values; equal ones share the mean of their ranks."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Values = (np.cumsum(counts) - (counts - 1) / 2)[which]
    return ranks
