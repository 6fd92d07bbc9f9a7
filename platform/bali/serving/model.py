"""The model that made the graph's vectors, held for many who ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from bali_platform.base.errors import BaliError
from bali_platform.graph.records import Records
from bali_platform.graph.vectors import Candidate, Maker, Mentioned, Vectors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bali_platform.graph import Graph
    from bali_trainers.inference.vectors import ConceptEncoder

T = TypeVar("T")

MAX_WAITING = 4_096
CHANGED = "the graph's vectors changed while they were read: ask again"


class BusyError(BaliError):
    """More texts wait than the server takes on; some have gone after ``retry_after_s`` seconds."""

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        super().__init__(f"{waiting} texts wait for the model: ask again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Encoded:
    """Unit vectors ``[N, d]`` of texts, and the model that they are of."""

    maker: Maker
    vectors: NDArray[np.float32]


class ServedModel:
    """One model, one request at a time, in the order in which they come.

    It is loaded when it is first asked for, and again when the graph's vectors become another
    model's (`bali embed --replace`). Any thread may ask.

    Args:
        graph: returns the live graph.
        device: where to compute: ``cpu``, ``cuda`` or ``auto``.
        model: where the model is, if it is not where it made the vectors.
        max_waiting: texts that may wait.
    """

    def __init__(
        self,
        graph: Callable[[], Graph],
        device: str = "auto",
        model: str | None = None,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self.graph = graph
        self._device, self._model, self._max_waiting = device, model, max_waiting
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._lock = Lock()
        self._waiting = 0
        self._seconds_a_text = 0.01
        self._encoder: ConceptEncoder | None = None

    def run(self, work: Callable[[ConceptEncoder], T], texts: int) -> T:
        """Wait for the model and return ``work`` of it, which concerns so many texts.

        Raises:
            BusyError: too many texts wait already.
            BaliError: the graph has no vectors, or their model is not to be had.
        """
        with self._lock:
            if self._waiting and self._waiting + texts > self._max_waiting:
                seconds = ceil(self._waiting * self._seconds_a_text)
                raise BusyError(self._waiting, max(1, seconds))
            self._waiting += texts
        try:
            return self._pool.submit(self._timed, work, texts).result()
        finally:
            with self._lock:
                self._waiting -= texts

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Return vectors of texts, comparable with those of the graph's concepts."""
        return self.run(lambda model: Encoded(model.maker, model.encode(texts)), len(texts))

    def nearest(self, texts: Sequence[str], limit: int) -> list[Records[Candidate]]:
        """Return the concepts nearest in meaning to each text, nearest first."""
        return self.link([(text, ()) for text in texts], limit)

    def link(
        self, mentions: Sequence[tuple[str, Sequence[str]]], limit: int
    ) -> list[Records[Candidate]]:
        """Return what each mention may mean: bearers of its name first, then what is near.

        A mention is its text, and the concepts whose name it is.
        """
        made = self.encode([text for text, _ in mentions])
        vectors = Vectors(self.graph())
        asked = zip(made.vectors.tolist(), mentions, strict=True)
        found = vectors.link([Mentioned(vector, cuis) for vector, (_, cuis) in asked], limit)
        if not vectors.made_by(made.maker):
            raise BaliError(CHANGED)
        return found

    def _timed(self, work: Callable[[ConceptEncoder], T], texts: int) -> T:
        encoder = self._live_encoder()
        started = perf_counter()
        answer = work(encoder)
        self._seconds_a_text = (perf_counter() - started) / max(1, texts)
        return answer

    def _live_encoder(self) -> ConceptEncoder:
        vectors = Vectors(self.graph())
        if self._encoder is None or self._encoder.maker.digest != vectors.require().digest:
            self._encoder = None  # so that two models are never held at once
            self._encoder = self._load(vectors)
        return self._encoder

    def _load(self, vectors: Vectors) -> ConceptEncoder:
        vectors.require()
        try:
            from bali_trainers.inference.vectors import ConceptEncoder
        except ModuleNotFoundError as error:
            raise BaliError(f"models need {error.name}: pip install 'bali[train]'") from error
        return ConceptEncoder.of_graph(vectors, self._model, device=self._device)
