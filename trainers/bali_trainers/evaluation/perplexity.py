"""What a model forgot of language: its perplexity on masked tokens of held-out text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from torch.nn import functional

from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.batches.masking import IGNORED, mask_tokens
from bali_trainers.batches.tokens import WordPieces
from bali_trainers.evaluation.metrics import Estimate, Values, estimate
from bali_trainers.inference.embedding import word_pieces
from bali_trainers.models.text import TextEncoder, load_text_encoder, resolve_base

_LENGTH = 128
_TEXTS_AT_ONCE = 16
_PROBABILITY = 0.15
_SEED = 15


@dataclass(frozen=True)
class PerplexityOutcome:
    """Cross-entropy of every masked token, in nats, [T]; the token and the text of each."""

    model: str
    losses: Values
    tokens: NDArray[np.int64]
    text: NDArray[np.int64]


class PerplexityReport(BaseModel):
    """Perplexities with intervals over texts; ``ratios`` are to the first model's, paired."""

    model_config = ConfigDict(frozen=True)

    texts: int
    tokens: int
    models: dict[str, Estimate]
    ratios: dict[str, Estimate]


def evaluate_perplexity(
    model: str, texts: Sequence[str], *, device: str = "cpu", reporter: Reporter = QUIET
) -> PerplexityOutcome:
    """Predict 15 % of the tokens of each text, masked as in training; every model sees the same.

    Raises :class:`BaliError` for a model without a head of its own: an untrained one says nothing.
    """
    encoder = load_text_encoder(model).eval().to(device)
    if not all(name.startswith(f"{encoder.model.base_model_prefix}.") for name in encoder.fresh):
        raise BaliError(f"model '{model}' has no masked-language-model head: no perplexity")
    pieces = word_pieces(resolve_base(model))
    parts = []
    with reporter.step("predict masked tokens", len(texts)) as step, torch.inference_mode():
        for first in range(0, len(texts), _TEXTS_AT_ONCE):
            some = texts[first : first + _TEXTS_AT_ONCE]
            losses, tokens, row = _losses(encoder, pieces, some, first, device)
            parts.append((losses, tokens, row + first))
            step.advance(len(some))
    return PerplexityOutcome(
        model, *(np.concatenate(column) for column in zip(*parts, strict=True))
    )


def report_perplexity(outcomes: Sequence[PerplexityOutcome]) -> PerplexityReport:
    """Summarise outcomes on the same texts; raises when tokens differ, as do tokenizers."""
    baseline, *others = outcomes
    for other in others:
        if not np.array_equal(other.tokens, baseline.tokens):
            raise BaliError(
                f"models '{baseline.model}' and '{other.model}' cut words into other pieces: their "
                "perplexities cannot be compared"
            )
    text = np.unique(baseline.text, return_inverse=True)[1]
    return PerplexityReport(
        texts=int(text.max()) + 1,
        tokens=len(text),
        models={o.model: _exponential(o.losses, text) for o in outcomes},
        ratios={o.model: _exponential(o.losses - baseline.losses, text) for o in others},
    )


def _losses(
    encoder: TextEncoder, pieces: WordPieces, texts: Sequence[str], first: int, device: str
) -> tuple[Values, NDArray[np.int64], NDArray[np.int64]]:
    encoded = pieces.encode(texts, _LENGTH)
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


def _exponential(losses: Values, text: NDArray[np.int64]) -> Estimate:
    found = estimate(losses, text)
    return Estimate(
        value=float(np.exp(found.value)),
        low=float(np.exp(found.low)),
        high=float(np.exp(found.high)),
    )
