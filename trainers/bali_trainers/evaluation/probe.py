"""A linear probe: what can be read off frozen vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

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


def fit_probes(
    features: Features, labels: Labels, classes: int, penalties: Sequence[float]
) -> list[Probe]:
    """Minimise the summed cross-entropy plus ``penalty / 2`` times the squared weights, for each.

    Features are standardised; the bias is free. A penalty is scikit-learn's ``1 / C``.
    """
    mean, scale = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1.0
    inputs = torch.from_numpy((features - mean) / scale)
    axes, variances = _principal_axes(inputs)
    along, targets = inputs @ axes, torch.from_numpy(labels)
    probes = []
    for penalty in penalties:
        # Measured so, the loss is about as curved in every direction: a quarter of the steps.
        unit = (variances + penalty / len(labels)).rsqrt()
        weights, bias = _minimise(along, targets, classes, unit, penalty)
        probes.append(Probe(mean, scale, (weights @ axes.T).numpy(), bias.numpy()))
    return probes


def choose_penalty(
    features: Features, labels: Labels, classes: int, penalties: Sequence[float] = PENALTIES
) -> float:
    """Return the penalty with the best accuracy by cross-validation; the larger of equal ones."""
    fold = np.argsort(np.argsort(labels, kind="stable")) % _INNER_FOLDS
    right = dict.fromkeys(penalties, 0)
    for part in range(_INNER_FOLDS):
        train, test = fold != part, fold == part
        probes = fit_probes(features[train], labels[train], classes, penalties)
        for penalty, probe in zip(penalties, probes, strict=True):
            right[penalty] += int((probe.predict(features[test]) == labels[test]).sum())
    return max(penalties, key=lambda penalty: (right[penalty], penalty))


def _principal_axes(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return axes [d, k] along which inputs [N, d] do not correlate, and the variances [k]."""
    rows, columns = inputs.shape
    if rows < columns:
        _, singular, axes = torch.linalg.svd(inputs, full_matrices=False)
        return axes.T, singular.square() / rows
    variances, axes = torch.linalg.eigh(inputs.T @ inputs / rows)
    return axes, variances.clamp(min=0)


def _minimise(
    inputs: Tensor, targets: Tensor, classes: int, unit: Tensor, penalty: float
) -> tuple[Tensor, Tensor]:
    """Return weights [classes, k] and bias [classes]; weights are searched for in ``unit`` [k]."""
    steps = torch.zeros(classes, inputs.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [steps, bias], max_iter=500, tolerance_grad=1e-6, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimiser.zero_grad()
        weights = steps * unit
        total = functional.cross_entropy(
            functional.linear(inputs, weights, bias), targets, reduction="sum"
        )
        value = (total + penalty / 2 * weights.square().sum()) / len(targets)
        value.backward()
        return value

    optimiser.step(loss)
    return (steps * unit).detach(), bias.detach()
