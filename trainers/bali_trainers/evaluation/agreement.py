"""How well predicted classes agree with the right ones, with intervals and paired comparisons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bali_trainers.evaluation.metrics import (
    FLIPS,
    Difference,
    Estimate,
    coin_tosses,
    mean_of_seeds,
    resampled_clusters,
)

Counts = NDArray[np.float64]
"""[seeds, clusters, classes, 3]: right, predicted and wanted examples."""


def count_classes(
    predicted: NDArray[np.int64],
    wanted: NDArray[np.int64],
    clusters: NDArray[np.int64],
    classes: int,
) -> Counts:
    """Count examples by cluster (numbered without gaps) and class.

    Classes are predicted once, [Q], or by several seeds, [S, Q].
    """
    size = int(clusters.max()) + 1

    def tally(chosen: NDArray[np.bool_], label: NDArray[np.int64]) -> NDArray[np.int64]:
        cells = (clusters * classes + label)[chosen]
        return np.bincount(cells, minlength=size * classes).reshape(size, classes)

    every = np.ones(len(wanted), dtype=bool)
    seeds = [
        [tally(row == wanted, wanted), tally(every, row), tally(every, wanted)]
        for row in np.atleast_2d(predicted)
    ]
    return np.moveaxis(np.array(seeds, dtype=float), 1, -1)


def estimate_classes(counts: Counts, negative: int | None = None) -> dict[str, Estimate]:
    """Return accuracy, micro-F1 and macro-F1 with 95 % intervals, by bootstrap over clusters.

    The class ``negative`` (no relation) counts for accuracy only. With one label an example and no
    such class, micro-F1 is the accuracy. Macro-F1 is the mean over the classes that are predicted
    or wanted at all. Each is a mean over seeds, which are drawn as well.
    """
    drawn, every = _drawn(counts), counts.sum(axis=1)
    found = {}
    for name, metric in _metrics(negative).items():
        low, high = np.percentile(mean_of_seeds(metric(drawn)), [2.5, 97.5])
        value = float(metric(every).mean())
        found[name] = Estimate(value=value, low=float(low), high=float(high))
    return found


def micro_f1(counts: Counts, negative: int | None = None) -> float:
    """Return the micro-F1 of all clusters, see :func:`estimate_classes`."""
    return float(_metrics(negative)["micro F1"](counts.sum(axis=1)).mean())


def compare_classes(
    candidate: Counts, baseline: Counts, negative: int | None = None
) -> dict[str, Difference]:
    """Return candidate minus baseline; ``p`` by exchanging their answers, cluster by cluster.

    The interval is over clusters and seeds, of which both have the same number.
    """
    metrics = _metrics(negative)
    ours, theirs = candidate.sum(axis=1), baseline.sum(axis=1)
    drawn = [_drawn(counts) for counts in (candidate, baseline)]
    values = {name: float((m(ours) - m(theirs)).mean()) for name, m in metrics.items()}
    extreme = dict.fromkeys(metrics, 1)
    for tosses in coin_tosses(candidate.shape[1]):
        exchanged = np.tensordot(tosses, candidate - baseline, axes=(1, 1))
        for name, metric in metrics.items():
            chance = (metric(ours - exchanged) - metric(theirs + exchanged)).mean(axis=1)
            extreme[name] += int((np.abs(chance) >= abs(values[name]) - 1e-9).sum())
    differences = {}
    for name, metric in metrics.items():
        spread = [mean_of_seeds(metric(counts), side) for side, counts in enumerate(drawn)]
        low, high = np.percentile(spread[0] - spread[1], [2.5, 97.5])
        differences[name] = Difference(
            value=values[name], low=float(low), high=float(high), p=extreme[name] / (FLIPS + 1)
        )
    return differences


def _drawn(counts: Counts) -> Counts:
    """Return the counts of resampled clusters, [resamples, seeds, classes, 3]."""
    draws = resampled_clusters(counts.shape[1]).astype(float)
    return np.tensordot(draws, counts, axes=(1, 1))


def _metrics(negative: int | None) -> dict[str, Callable[[Counts], NDArray[np.float64]]]:
    """Return the metrics of counts summed over clusters, [..., classes, 3]."""

    def f1(counts: Counts) -> NDArray[np.float64]:
        found = counts[..., 1] + counts[..., 2]
        scores: NDArray[np.float64] = 2 * counts[..., 0] / np.maximum(found, 1)
        return scores

    def positive(counts: Counts) -> Counts:
        return counts if negative is None else np.delete(counts, negative, axis=-2)

    def accuracy(counts: Counts) -> NDArray[np.float64]:
        sums = counts.sum(axis=-2)
        share: NDArray[np.float64] = sums[..., 0] / np.maximum(sums[..., 2], 1)
        return share

    def macro(counts: Counts) -> NDArray[np.float64]:
        own = positive(counts)
        present = (own[..., 1] + own[..., 2]) > 0
        mean: NDArray[np.float64] = f1(own).sum(-1) / np.maximum(present.sum(-1), 1)
        return mean

    return {
        "accuracy": accuracy,
        "micro F1": lambda counts: f1(positive(counts).sum(axis=-2)),
        "macro F1": macro,
    }
