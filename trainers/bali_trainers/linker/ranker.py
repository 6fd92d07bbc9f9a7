"""A linear ranker of candidates: what each feature counts, learned by conditional logit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bali_trainers.linker.candidates import Candidates
from bali_trainers.linker.features import Features

Weights = dict[str, float]
"""By feature; only differences between the candidates of a mention matter."""

_PENALTY = 1.0
_STEPS = 200


def score(weights: Weights, features: Features) -> NDArray[np.float64]:
    """Return the logarithm of each candidate's odds but for what its mention's have in common."""
    return sum(
        (weight * features[name].astype(np.float64) for name, weight in weights.items()),
        start=np.zeros(len(next(iter(features.values())))),
    )


def share(scores: NDArray[np.floating], pairs: Candidates) -> NDArray[np.float64]:
    """Return the softmax of scores over the candidates of each mention, [P]."""
    best = np.maximum.reduceat(scores, pairs.first)
    powers = np.exp((scores - best[pairs.mention]).astype(np.float64))
    return np.asarray(powers / np.add.reduceat(powers, pairs.first)[pairs.mention])


def learn_weights(
    features: Features, names: Sequence[str], pairs: Candidates, right: NDArray[np.bool_]
) -> Weights:
    """Make the right candidates of each mention together as likely as can be (McFadden, 1974).

    Mentions without a right candidate teach nothing. ``right`` is [P]; weights are drawn to 0, by
    the spread of each feature, as if one mention asked for it.
    """
    taught = np.isin(pairs.mention, pairs.mention[right])
    own = Candidates(
        np.unique(pairs.mention[taught], return_inverse=True)[1], pairs.concept[taught]
    )
    columns = np.stack([features[name][taught] for name in names], axis=1).astype(np.float64)
    spread = columns.std(axis=0) + 1e-6
    columns /= spread
    wanted, mentions = right[taught], len(own.first)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = columns @ weights
        likely = share(scores, own)
        hit = np.add.reduceat(np.where(wanted, likely, 0.0), own.first)
        hit = np.maximum(hit, 1e-300)
        pull = likely - np.where(wanted, likely, 0.0) / hit[own.mention]
        return (
            float(_PENALTY * weights @ weights / 2 - np.log(hit).sum()) / mentions,
            (columns.T @ pull + _PENALTY * weights) / mentions,
        )

    found = minimize(
        loss, np.zeros(len(names)), jac=True, method="L-BFGS-B", options={"maxiter": _STEPS}
    )
    return dict(zip(names, (found.x / spread).tolist(), strict=True))
