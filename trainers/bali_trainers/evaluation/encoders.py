"""What can turn names and mentions into vectors, by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.evaluation.tfidf import TF_IDF, TfIdf
from bali_trainers.inference.embedding import Embedded, NameEncoder, Precision, Spans


class Encoder(Protocol):
    """Turns names, and spans of sentences, into unit vectors."""

    def encode(self, names: Sequence[str], *, reporter: Reporter = QUIET) -> Embedded:
        """Encode names; those that it cannot tell apart share a vector."""

    def encode_in_context(self, spans: Spans, *, reporter: Reporter = QUIET) -> NDArray[np.float32]:
        """Encode spans in their sentences, [M, d]; zeros where it cannot."""


def open_encoder(model: str, *, precision: Precision = "fp32", device: str = "cpu") -> Encoder:
    """Return ``"tf-idf"``, or the language model of that folder or Hugging Face name."""
    if model == TF_IDF:
        return TfIdf()
    return NameEncoder(model, precision=precision, device=device)
