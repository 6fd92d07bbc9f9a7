"""Names as bags of their letters: the baseline that has read nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from bali_platform.base.errors import UsageError
from bali_platform.base.progress import QUIET, Reporter
from bali_trainers.inference.embedding import Embedded, Spans

TF_IDF = "tf-idf"
"""What it is called among models."""

_LETTERS = (2, 4)


class TfIdf:
    """Weighs the runs of two to four letters in the words of names, whatever their case."""

    def encode(self, names: Sequence[str], *, reporter: Reporter = QUIET) -> Embedded:
        """Encode names as sparse unit vectors; those that differ by case alone share one."""
        distinct, row = np.unique([name.casefold() for name in names], return_inverse=True)
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=_LETTERS, dtype=np.float32)
        with reporter.step("weigh letters"):
            return Embedded(letters.fit_transform(distinct.tolist()), row.reshape(-1))

    def encode_in_context(self, spans: Spans, *, reporter: Reporter = QUIET) -> NDArray[np.float32]:
        """Refuse: letters are the same in every sentence."""
        raise UsageError(f"'{TF_IDF}' reads no context: compare it with --encoding name")
