"""Metrics of rankings, with intervals and paired comparisons over queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from bali_trainers.evaluation.ranking import Ranks

Values = NDArray[np.float64]
Clusters = NDArray[np.int64]
RESAMPLES = 2000
FLIPS = 100_000
"""Enough for hundreds of comparisons to be corrected together."""
_SEED = 20_250
_FLIPS_AT_ONCE = 1000


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


def estimate(
    values: Values, clusters: Clusters | None = None, weights: Values | None = None
) -> Estimate:
    """Return the mean and its percentile-bootstrap interval, over clusters where given.

    Values are of Q queries, [Q], or of S seeds, [S, Q]: then seeds are drawn as well. ``weights``,
    [Q], say what each query counts.
    """
    value = np.average(_mean(values), weights=weights)
    return _estimate(float(value), bootstrap(values, clusters, weights))


def bootstrap(
    values: Values,
    clusters: Clusters | None = None,
    weights: Values | None = None,
    *,
    resamples: int = RESAMPLES,
    side: int = 0,
) -> Values:
    """Return the means of resamples drawn with replacement, [resamples].

    With ``clusters`` ([Q], numbered without gaps) whole clusters are drawn, such as documents,
    whose mentions are not independent. The draws depend on the number of clusters alone, so that
    paired metrics see the same resamples. Of values [S, Q] seeds are drawn too, otherwise for each
    ``side`` of a comparison.
    """
    rows = np.atleast_2d(values)
    clusters = np.arange(rows.shape[1]) if clusters is None else clusters
    weights = np.ones(rows.shape[1]) if weights is None else weights
    sums = np.stack([np.bincount(clusters, weights=row * weights) for row in rows], axis=1)
    draws = resampled_clusters(len(sums), resamples=resamples)
    sizes = draws @ np.bincount(clusters, weights=weights)
    return mean_of_seeds((draws @ sums) / sizes[:, None], side)


def mean_of_seeds(values: Values, side: int = 0) -> Values:
    """Return the mean of a resample's seeds, drawn with replacement: [resamples, S] to [resamples].

    The seeds of two models have nothing in common: each ``side`` of a comparison draws its own.
    """
    resamples, seeds = values.shape
    random = np.random.Generator(np.random.Philox([_SEED, side]))
    draws = random.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples)
    means: Values = (values * draws).sum(axis=1) / seeds
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


def coin_tosses(count: int) -> Iterator[Values]:
    """Yield :data:`FLIPS` rows of ``count`` zeros and ones, a thousand at once, always the same."""
    random = np.random.Generator(np.random.Philox(_SEED))
    for _ in range(0, FLIPS, _FLIPS_AT_ONCE):
        drawn = random.integers(0, 256, (_FLIPS_AT_ONCE, -(-count // 8)), dtype=np.uint8)
        yield np.unpackbits(drawn, axis=1, count=count).astype(float)


def compare(
    candidate: Mapping[str, Values],
    baseline: Mapping[str, Values],
    clusters: Clusters | None = None,
    weights: Values | None = None,
) -> dict[str, Difference]:
    """Return candidate minus baseline for every metric; both saw the same queries in one order.

    Either may have several seeds, see :func:`estimate`: the interval is over queries and seeds,
    ``p`` over queries, by their means over seeds.
    """
    means = [_mean(candidate[name]) - _mean(baseline[name]) for name in candidate]
    clusters = np.arange(len(means[0])) if clusters is None else clusters
    own = np.ones(len(clusters)) if weights is None else weights
    sums = np.stack([np.bincount(clusters, weights=values * own) for values in means], axis=1)
    found = {}
    for name, p, mean in zip(candidate, _chance(sums.astype(float)), means, strict=True):
        ours, theirs = (
            bootstrap(scores[name], clusters, weights, side=side)
            for side, scores in enumerate((candidate, baseline))
        )
        around = _estimate(float(np.average(mean, weights=weights)), ours - theirs)
        found[name] = Difference(**around.model_dump(), p=p)
    return found


def holm(p: Sequence[float]) -> list[float]:
    """Correct the p-values of a family of tests, as S. Holm did (1979): step down from the least.

    With these, the chance of even one false alarm in the family stays below the level of each.
    """
    order = np.argsort(p, kind="stable")
    steps = np.asarray(p, dtype=float)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return [float(value) for value in corrected]


def _estimate(value: float, resampled: Values) -> Estimate:
    low, high = np.percentile(resampled, [2.5, 97.5])
    return Estimate(value=value, low=float(low), high=float(high))


def _mean(values: Values) -> Values:
    mean: Values = np.atleast_2d(values).mean(axis=0)
    return mean


def _chance(changes: Values) -> list[float]:
    """Return how likely each sum over clusters, [C, K], is as large with random signs, [K]."""
    totals = changes.sum(axis=0)
    extreme = np.ones(len(totals))
    for tosses in coin_tosses(len(changes)):
        turned = totals - 2 * tosses @ changes
        extreme += (np.abs(turned) >= np.abs(totals) - 1e-9).sum(axis=0)
    return [float(p) for p in extreme / (FLIPS + 1)]
