"""A linear probe: what can be read off frozen vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

__all__ = ["PENALTIES", "Probe", "choose_penalty", "fit_probe"]

PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_INNER_FOLDS = 3

Features = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Probe:
    """A fitted multinomial logistic regression.

    Attributes:
        mean: [d] of the training features.
        scale: [d] their standard deviation; 1 where it is 0.
        weights: [classes, d] of standardised features.
        bias: [classes].
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, features: Features) -> NDArray[np.float64]:
        """Return the log-odds of each class, [N, classes]."""
        scores: NDArray[np.float64] = (
            (features - self.mean) / self.scale
        ) @ self.weights.T + self.bias
        return scores

    def predict(self, features: Features) -> Labels:
        """Return the likeliest class of each row of features, [N]."""
        classes: Labels = self.logits(features).argmax(axis=1)
        return classes


def fit_probe(features: Features, labels: Labels, classes: int, *, penalty: float) -> Probe:
    """Minimise the summed cross-entropy plus ``penalty / 2`` times the squared weights.

    Features are standardised; the bias is free. ``penalty`` is scikit-learn's ``1 / C``.
    """
    mean, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1.0
    inputs = torch.from_numpy((features - mean) / scale)
    targets = torch.from_numpy(labels)
    weights = torch.zeros(classes, features.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights, bias], max_iter=500, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        total = functional.cross_entropy(
            functional.linear(inputs, weights, bias), targets, reduction="sum"
        )
        value = (total + penalty / 2 * weights.square().sum()) / len(targets)
        value.backward()
        return value

    optimiser.step(loss)
    return Probe(mean, scale, weights.detach().numpy(), bias.detach().numpy())


def choose_penalty(
    features: Features, labels: Labels, classes: int, penalties: Sequence[float] = PENALTIES
) -> float:
    """Return the penalty with the best accuracy by cross-validation; the larger of equal ones."""
    fold = np.argsort(np.argsort(labels, kind="stable")) % _INNER_FOLDS

    def right(penalty: float) -> int:
        hits = 0
        for part in range(_INNER_FOLDS):
            train, test = fold != part, fold == part
            probe = fit_probe(features[train], labels[train], classes, penalty=penalty)
            hits += int((probe.predict(features[test]) == labels[test]).sum())
        return hits

    return max(penalties, key=lambda penalty: (right(penalty), penalty))
