"""What a model forgot of language at large: everyday sentences before and after alignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from bali_trainers.evaluation.metrics import Clusters, Values, estimate
from bali_trainers.evaluation.report import Scored, Section, Task
from bali_trainers.inference.embedding import PLAIN, NameEncoder, Setup

NEAREST = 10
"""Nearest sentences that are compared."""

_LONGEST = 64
Matrix = NDArray[np.float64]
Triplet = tuple[str, str, str]


@dataclass(frozen=True)
class EverydayTask(Task):
    """T triplets: a sentence, the same in other words, and a decoy.

    Reports have in ``agreement``, in the mean over sentences, the share of the 10 nearest sentences
    that stayed as in the first model (``neighbours kept``), and the rank correlation of the cosines
    to all other sentences (``rank correlation``).
    """

    name = "language"
    triplets: tuple[Triplet, ...]

    @property
    def title(self) -> str:
        """What is asked."""
        return f"{len(self.triplets)} everyday sentences"

    @property
    def clusters(self) -> Clusters:
        """Every triplet is on its own."""
        return np.arange(len(self.triplets))

    @property
    def facts(self) -> dict[str, Any]:
        """How many there are."""
        return {"triplets": len(self.triplets)}

    def further(self, outcomes: Sequence[Everyday]) -> dict[str, Section]:
        """Compare the cosines of all sentences with those of the first model."""
        first, *others = outcomes
        clusters = np.repeat(self.clusters, 3)
        agreement = {
            other.label: {
                name: estimate(measure(first.cosines, other.cosines), clusters)
                for name, measure in (
                    ("neighbours kept", kept_neighbours),
                    ("rank correlation", rank_correlations),
                )
            }
            for other in others
        }
        return {"agreement": Section(models=agreement)} if agreement else {}


@dataclass(frozen=True, kw_only=True)
class Everyday(Scored):
    """What one model made of the triplets; ``cosines`` are of all 3 T sentences with each other.

    The score ``paraphrase`` is 1 where the paraphrase is nearer than the decoy, else 0, [T].
    """

    cosines: Matrix


def everyday_task() -> EverydayTask:
    """Return the shipped triplets; a decoy shares words with its sentence, and differs in sense."""
    text = files("bali_trainers.evaluation").joinpath("everyday.txt").read_text(encoding="utf-8")
    blocks = [block.splitlines() for block in text.strip().split("\n\n")]
    return EverydayTask(tuple((sentence, other, decoy) for sentence, other, decoy in blocks))


def evaluate_everyday(model: str, task: EverydayTask, setup: Setup = PLAIN) -> list[Everyday]:
    """Encode all sentences as names are, and compare them by cosine."""
    encoder = NameEncoder(model, setup, name_length=_LONGEST)
    embedded = encoder.encode([text for triplet in task.triplets for text in triplet])
    vectors = embedded.vectors[embedded.row].astype(np.float64)
    cosines = vectors @ vectors.T
    first = np.arange(0, len(cosines), 3)
    right = cosines[first, first + 1] > cosines[first, first + 2]
    return [Everyday(model=model, scores={"paraphrase": right.astype(float)}, cosines=cosines)]


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
        placed = rankdata(rows, axis=1)
        centred: Matrix = placed - placed.mean(axis=1, keepdims=True)
        return centred

    one, other = ranks(before), ranks(after)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    correlations: Values = (one * other).sum(axis=1) / lengths
    return correlations
