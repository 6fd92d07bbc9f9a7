"""What a model forgot of language: its perplexity on masked tokens of held-out text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from bali_platform.base.errors import BaliError
from bali_trainers.batches.masking import IGNORED, mask_tokens
from bali_trainers.batches.tokens import Pieces, WordPieces
from bali_trainers.evaluation.metrics import (
    Clusters,
    Difference,
    Estimate,
    Values,
    compare,
    estimate,
)
from bali_trainers.evaluation.report import Asked, Outcome, Task
from bali_trainers.inference.embedding import PLAIN, Setup
from bali_trainers.inference.precision import settle_device
from bali_trainers.models.bases import word_pieces
from bali_trainers.models.text import TextEncoder, load_text_encoder

_LENGTH = 128
_TEXTS_AT_ONCE = 16
_PROBABILITY = 0.15
_SEED = 15


@dataclass(frozen=True)
class MaskedTextTask(Task):
    """Sentences in which every model predicts the same masked tokens."""

    name = "language"
    texts: tuple[str, ...]

    @property
    def title(self) -> str:
        """What is asked."""
        return f"masked tokens of {len(self.texts):,} sentences"

    @property
    def clusters(self) -> Clusters:
        """Every sentence is on its own."""
        return np.arange(len(self.texts))


@dataclass(frozen=True, kw_only=True)
class Recovered(Outcome):
    """Cross-entropy of every masked token, in nats, [T]; the token and the text of each."""

    shares = False
    losses: Values
    tokens: NDArray[np.int64]
    text: NDArray[np.int64]

    def estimates(self, asked: Asked) -> dict[str, Estimate]:
        """Return the perplexity."""
        found = estimate(self.losses, self._texts)
        return {"perplexity": Estimate(**_exponential(found))}

    def gains(self, baseline: Recovered, asked: Asked) -> dict[str, Difference]:
        """Return the ratio of perplexities, paired; raises when tokens differ, as do tokenizers."""
        if not np.array_equal(self.tokens, baseline.tokens):
            raise BaliError(
                f"models '{baseline.model}' and '{self.model}' cut words into other pieces: their "
                "perplexities cannot be compared"
            )
        found = compare({"ratio": self.losses}, {"ratio": baseline.losses}, self._texts)["ratio"]
        return {"ratio": Difference(**_exponential(found), p=found.p)}

    @property
    def _texts(self) -> Clusters:
        return np.unique(self.text, return_inverse=True)[1]


def evaluate_perplexity(model: str, task: MaskedTextTask, setup: Setup = PLAIN) -> list[Recovered]:
    """Predict 15 % of the tokens of each text, masked as in training; every model sees the same.

    Raises :class:`BaliError` for a model without a head of its own: an untrained one says nothing.
    """
    device = settle_device(setup.device)
    encoder = load_text_encoder(model).eval().to(device)
    if not all(name.startswith(f"{encoder.model.base_model_prefix}.") for name in encoder.fresh):
        raise BaliError(f"model '{model}' has no masked-language-model head: no perplexity")
    pieces = word_pieces(model)
    length = min(_LENGTH, encoder.positions)
    parts = []
    with setup.reporter.step("predict masked tokens", len(task.texts)) as step:
        for first in range(0, len(task.texts), _TEXTS_AT_ONCE):
            some = task.texts[first : first + _TEXTS_AT_ONCE]
            with torch.inference_mode():
                losses, tokens, row = _losses(encoder, pieces.encode(some, length), pieces, first)
            parts.append((losses, tokens, row + first))
            step.advance(len(some))
    losses, tokens, text = (np.concatenate(column) for column in zip(*parts, strict=True))
    notes = {"tokens": len(tokens), "texts": len(np.unique(text))}
    return [Recovered(model=model, notes=notes, losses=losses, tokens=tokens, text=text)]


def _losses(
    encoder: TextEncoder, encoded: Pieces, pieces: WordPieces, first: int
) -> tuple[Values, NDArray[np.int64], NDArray[np.int64]]:
    device = encoder.model.device
    masked, labels = mask_tokens(
        encoded.ids,
        (encoded.mask == 1) & ~pieces.special[encoded.ids],
        probability=_PROBABILITY,
        mask_id=pieces.special_id("mask"),
        vocabulary=pieces.ordinary,
        random=np.random.Generator(np.random.Philox(key=[_SEED, first])),
    )
    position = np.flatnonzero(labels.ravel() != IGNORED)
    wanted = torch.from_numpy(labels.ravel()[position]).long()
    states = encoder.states(
        torch.from_numpy(masked).to(device),
        torch.from_numpy(encoded.mask).to(device).long(),
        torch.from_numpy(position).to(device),
    )
    logits = encoder.vocabulary_logits(states).float().cpu()
    losses = functional.cross_entropy(logits, wanted, reduction="none").double().numpy()
    return losses, wanted.numpy(), position // labels.shape[1]


def _exponential(found: Estimate) -> dict[str, float]:
    return {name: float(np.exp(getattr(found, name))) for name in ("value", "low", "high")}
