"""How well predicted classes agree with the right ones, with intervals and paired comparisons."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from bali_trainers.evaluation.metrics import FLIPS, Difference, Estimate, resampled_clusters

Counts = NDArray[np.float64]
"""[clusters, classes, 3]: right, predicted and wanted examples."""

_SEED = 20_251


def count_classes(
    predicted: NDArray[np.int64],
    wanted: NDArray[np.int64],
    clusters: NDArray[np.int64],
    classes: int,
) -> Counts:
    """Count examples by cluster (numbered without gaps) and class."""
    size = int(clusters.max()) + 1

    def tally(chosen: NDArray[np.bool_], label: NDArray[np.int64]) -> NDArray[np.int64]:
        cells = (clusters * classes + label)[chosen]
        return np.bincount(cells, minlength=size * classes).reshape(size, classes)

    every = np.ones(len(wanted), dtype=bool)
    tallies = [tally(predicted == wanted, wanted), tally(every, predicted), tally(every, wanted)]
    return np.stack(tallies, axis=2).astype(float)


def estimate_classes(counts: Counts, negative: int | None = None) -> dict[str, Estimate]:
    """Return accuracy, micro-F1 and macro-F1 with 95 % intervals, by bootstrap over clusters.

    The class ``negative`` (no relation) counts for accuracy only. With one label an example and no
    such class, micro-F1 is the accuracy. Macro-F1 is the mean over the classes that are predicted
    or wanted at all.
    """
    draws = np.tensordot(resampled_clusters(len(counts)).astype(float), counts, axes=1)
    every = counts.sum(axis=0)
    return {
        name: Estimate(
            value=float(metric(every)),
            low=float(np.percentile(metric(draws), 2.5)),
            high=float(np.percentile(metric(draws), 97.5)),
        )
        for name, metric in _metrics(negative).items()
    }


def compare_classes(
    candidate: Counts, baseline: Counts, negative: int | None = None
) -> dict[str, Difference]:
    """Return candidate minus baseline; ``p`` by exchanging their answers, cluster by cluster."""
    draws = resampled_clusters(len(candidate)).astype(float)
    change = candidate - baseline
    flips = np.random.Generator(np.random.Philox(_SEED)).random((FLIPS, len(candidate))) < 0.5
    exchanged = np.tensordot(flips.astype(float), change, axes=1)
    ours, theirs = candidate.sum(axis=0), baseline.sum(axis=0)
    drawn = [np.tensordot(draws, counts, axes=1) for counts in (candidate, baseline)]
    differences = {}
    for name, metric in _metrics(negative).items():
        value = float(metric(ours) - metric(theirs))
        spread = metric(drawn[0]) - metric(drawn[1])
        by_chance = metric(ours - exchanged) - metric(theirs + exchanged)
        extreme = int((np.abs(by_chance) >= abs(value) - 1e-9).sum())
        differences[name] = Difference(
            value=value,
            low=float(np.percentile(spread, 2.5)),
            high=float(np.percentile(spread, 97.5)),
            p=(extreme + 1) / (FLIPS + 1),
        )
    return differences


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
