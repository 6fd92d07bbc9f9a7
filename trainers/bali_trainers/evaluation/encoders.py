"""What can turn names and mentions into vectors: language models, and letters alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from bali_platform.base.errors import UsageError
from bali_platform.base.progress import Reporter
from bali_trainers.inference.embedding import PLAIN, Embedded, NameEncoder, Setup, Spans

TF_IDF = "tf-idf"
"""What the baseline that has read nothing is called among models."""

_LETTERS = (2, 4)


class Encoder(Protocol):
    """Turns names, and spans of sentences, into unit vectors.

    Attributes:
        device: Where it computes, and where its vectors are best compared.
    """

    device: str

    def encode_both(
        self, names: Sequence[str], queries: Sequence[str]
    ) -> tuple[Embedded, Embedded]:
        """Encode a dictionary and what is looked up; what it cannot tell apart shares a vector."""

    def encode_in_context(self, spans: Spans) -> NDArray[np.float32]:
        """Encode spans in their sentences, [M, d]; zeros where it cannot."""


def open_encoder(model: str, setup: Setup = PLAIN) -> Encoder:
    """Return ``"tf-idf"``, or the language model of that folder or Hugging Face name."""
    return TfIdf(setup.reporter) if model == TF_IDF else NameEncoder(model, setup)


class TfIdf:
    """Weighs the runs of two to four letters in the words of names, whatever their case."""

    device = "cpu"

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def encode_both(
        self, names: Sequence[str], queries: Sequence[str]
    ) -> tuple[Embedded, Embedded]:
        """Encode both as sparse unit vectors; what differs by case alone shares one."""
        texts = [text.casefold() for text in (*names, *queries)]
        distinct, row = np.unique(texts, return_inverse=True)
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=_LETTERS, dtype=np.float32)
        with self._reporter.step("weigh letters"):
            vectors = letters.fit_transform(distinct.tolist())
        row = row.reshape(-1)
        return Embedded(vectors, row[: len(names)]), Embedded(vectors, row[len(names) :])

    def encode_in_context(self, spans: Spans) -> NDArray[np.float32]:
        """Refuse: letters are the same in every sentence."""
        raise UsageError(f"'{TF_IDF}' reads no context: compare it with --encoding name")
