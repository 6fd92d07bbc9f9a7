"""Which of the concepts that share a name a sentence means, judged by a language model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bali_platform.graph.names import name_key

Names = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]
_NAMES_OF_A_CONCEPT = 4


class Encoder(Protocol):
    """A language model, as far as linking is concerned."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.floating]:
        """Return a vector of unit length for each text, [N, d]."""


class Question(NamedTuple):
    """A sentence, an ambiguous name in it, and the concepts it may mean."""

    sentence: str
    name: str
    cuis: tuple[str, ...]


@dataclass(frozen=True)
class Reranker:
    """Chooses the concept whose *other* names are most like the sentence, by cosine.

    A concept stands for the mean vector of its first four names that are not the one in question;
    without any, for that one. Where no concept reaches the ``threshold`` none is meant (NIL).

    Attributes:
        encode: The language model.
        names: Looks up names of concepts, best first.
        threshold: Least cosine between sentence and concept, -1 to 1.
    """

    encode: Encoder
    names: Names
    threshold: float

    def choose(self, questions: Sequence[Question]) -> list[str | None]:
        """Return the concept that each question means; of equal ones the first."""
        cuis = dict.fromkeys(chain.from_iterable(question.cuis for question in questions))
        names = self.names(list(cuis))
        shown = [
            [_shown(names.get(cui, ()), question.name) for cui in question.cuis]
            for question in questions
        ]
        texts = _numbered(chain((q.sentence for q in questions), *chain.from_iterable(shown)))
        vectors = self.encode(list(texts)).astype(np.float32)
        return [
            self._best(
                question.cuis,
                vectors[texts[question.sentence]],
                [vectors[[texts[name] for name in own]].mean(axis=0) for own in candidates],
            )
            for question, candidates in zip(questions, shown, strict=True)
        ]

    def _best(
        self,
        cuis: tuple[str, ...],
        sentence: NDArray[np.float32],
        candidates: list[NDArray[np.float32]],
    ) -> str | None:
        scores = [float(c @ sentence) / max(float(np.linalg.norm(c)), 1e-9) for c in candidates]
        best = int(np.argmax(scores))
        return cuis[best] if scores[best] >= self.threshold else None


RerankerSource = Callable[[], Reranker]
"""Makes a reranker in whatever process needs one."""


def _shown(names: Sequence[str], ambiguous: str) -> list[str]:
    key = name_key(ambiguous)
    others = [name for name in names if name_key(name) != key]
    return others[:_NAMES_OF_A_CONCEPT] or [ambiguous]


def _numbered(texts: Iterable[str]) -> dict[str, int]:
    return {text: number for number, text in enumerate(dict.fromkeys(texts))}
