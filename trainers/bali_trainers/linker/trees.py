"""Gradient-boosted trees as plain arrays: trained by scikit-learn, kept and read without pickle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

NODES = ("feature", "threshold", "left", "right", "leaf", "value")
"""Columns of a tree's nodes."""


@dataclass(frozen=True)
class Trees:
    """T trees of K nodes in all, which add up to the logarithm of odds.

    Attributes:
        features: Names of the columns that they read.
        base: What they start from.
        roots: [T] the first node of each.
        feature: [K] the column that a node asks.
        threshold: [K] up to this it goes left.
        left, right: [K] the next node.
        leaf: [K] whether it ends there.
        value: [K] what a leaf adds.
    """

    features: tuple[str, ...]
    base: float
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    leaf: NDArray[np.bool_]
    value: NDArray[np.float64]

    def __call__(self, columns: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the logarithm of odds of each row, [N], of columns [N, F] in order."""
        found = np.full(len(columns), self.base)
        rows = np.arange(len(columns))
        for root in self.roots.tolist():
            node = np.full(len(columns), root)
            while (inner := ~self.leaf[node]).any():
                at = node[inner]
                down = columns[rows[inner], self.feature[at]] <= self.threshold[at]
                node[inner] = np.where(down, self.left[at], self.right[at])
            found += self.value[node]
        return found

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Return what a file holds of them, besides the features' names and the base."""
        return {"roots": self.roots, **{name: getattr(self, name) for name in NODES}}


def grow(
    columns: NDArray[np.float32],
    right: NDArray[np.bool_],
    features: Sequence[str],
    *,
    seed: int,
    rounds: int = 200,
    leaves: int = 31,
    rate: float = 0.1,
) -> Trees:
    """Learn to tell ``right`` rows [N] from the others by columns [N, F] without gaps."""
    boosting = HistGradientBoostingClassifier(
        max_iter=rounds,
        max_leaf_nodes=leaves,
        learning_rate=rate,
        min_samples_leaf=40,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    ).fit(columns, right)
    nodes = [stage[0].nodes for stage in boosting._predictors]
    first = np.cumsum([0, *(len(own) for own in nodes)])[:-1]
    whole = np.concatenate(nodes)
    shift = np.repeat(first, [len(own) for own in nodes])
    return Trees(
        tuple(features),
        float(np.ravel(boosting._baseline_prediction)[0]),
        first,
        whole["feature_idx"].astype(np.int64),
        whole["num_threshold"].astype(np.float64),
        whole["left"].astype(np.int64) + shift,
        whole["right"].astype(np.int64) + shift,
        whole["is_leaf"].astype(bool),
        whole["value"].astype(np.float64),
    )
