"""Metrics of rankings, with intervals and paired comparisons over queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bali_trainers.evaluation.ranking import Ranks

Values = NDArray[np.float64]
Clusters = NDArray[np.int64]
RESAMPLES = 2000
FLIPS = 10_000
_SEED = 20_250


class Estimate(BaseModel):
    """A mean over queries and its 95 % interval."""

    model_config = ConfigDict(frozen=True)

    value: float
    low: float
    high: float


class Difference(Estimate):
    """A mean difference over the same queries, its interval, and how likely chance gives as much.

    ``p`` is two-sided, by flipping the signs of the queries' (or clusters') differences.
    """

    p: float


def rank_metrics(ranks: Ranks) -> dict[str, Values]:
    """Return each query's share of each metric, [Q].

    Where several concepts are equally near, :data:`~bali_trainers.evaluation.ranking.RULE` orders
    them; ``acc@1 expected`` is the chance of being right when one of them is picked blindly.
    """
    return {
        "acc@1": (ranks.rank == 1).astype(float),
        "acc@1 expected": np.where(ranks.nearer == 0, ranks.wanted / ranks.tied, 0.0),
        "acc@5": (ranks.rank <= 5).astype(float),
        "mrr": 1.0 / ranks.rank,
    }


def estimate(values: Values, clusters: Clusters | None = None) -> Estimate:
    """Return the mean and its percentile-bootstrap interval, over clusters where given."""
    low, high = np.percentile(bootstrap(values, clusters), [2.5, 97.5])
    return Estimate(value=float(values.mean()), low=float(low), high=float(high))


def bootstrap(
    values: Values, clusters: Clusters | None = None, *, resamples: int = RESAMPLES
) -> Values:
    """Return the means of resamples drawn with replacement, [resamples].

    With ``clusters`` ([Q], numbered without gaps) whole clusters are drawn, such as documents,
    whose mentions are not independent. The draws depend on the number of clusters alone, so that
    paired metrics see the same resamples.
    """
    clusters = np.arange(len(values)) if clusters is None else clusters
    sums, sizes = np.bincount(clusters, weights=values), np.bincount(clusters)
    draws = resampled_clusters(len(sums), resamples=resamples)
    means: Values = (draws @ sums) / (draws @ sizes)
    return means


@lru_cache(maxsize=8)
def resampled_clusters(count: int, *, resamples: int = RESAMPLES) -> NDArray[np.int64]:
    """Return how often each of ``count`` clusters is drawn in each resample, [resamples, count].

    It is kept for the next call, and cannot be written to.
    """
    random = np.random.Generator(np.random.Philox(_SEED))
    draws = random.multinomial(count, np.full(count, 1 / count), size=resamples)
    draws.flags.writeable = False
    return draws


def compare(
    candidate: Mapping[str, Values],
    baseline: Mapping[str, Values],
    clusters: Clusters | None = None,
) -> dict[str, Difference]:
    """Return candidate minus baseline for every metric; both saw the same queries in one order."""
    return {name: _difference(candidate[name] - baseline[name], clusters) for name in candidate}


def holm(p: Sequence[float]) -> list[float]:
    """Correct the p-values of a family of tests, as S. Holm did (1979): step down from the least.

    With these, the chance of even one false alarm in the family stays below the level of each.
    """
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in corrected]


def _difference(values: Values, clusters: Clusters | None) -> Difference:
    interval = estimate(values, clusters)
    sums = values if clusters is None else np.bincount(clusters, weights=values)
    changed = sums[sums != 0]
    random = np.random.Generator(np.random.Philox(_SEED))
    extreme = 1
    for _ in range(0, FLIPS, 1000):
        signs = random.choice([-1.0, 1.0], size=(1000, len(changed)))
        extreme += int((np.abs(signs @ changed) >= abs(changed.sum()) - 1e-9).sum())
    return Difference(**interval.model_dump(), p=extreme / (FLIPS + 1))
