"""The next batches, decoded and on the device before the step that uses them begins."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Self

import torch

from bali_platform.base.errors import BaliError
from bali_platform.streaming import BatchKey
from bali_trainers.batches.batch import Batch
from bali_trainers.batches.layout import Layout

AHEAD = 2
POLL_S = 0.1
PATIENCE_S = 5.0  # how long the end waits for a thread that waits for its source


@dataclass(frozen=True, slots=True)
class Arrival:
    """A batch on the device, and the bytes that it came as."""

    key: BatchKey
    payload: bytes
    batch: Batch


class Prefetcher:
    """Takes batches from a source and decodes them, in a thread of its own; a context manager.

    For a GPU they are copied through pinned memory on a second stream, while the step before is
    computed. What the source raises is raised by :meth:`take`, after the batches before it.

    Attributes:
        waited_s: Seconds that :meth:`take` has waited.
    """

    def __init__(
        self, batches: Iterator[tuple[BatchKey, bytes]], device: torch.device, layout: Layout
    ) -> None:
        self._device, self._layout = device, layout
        self._side = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._ready: Queue[Arrival | BaseException] = Queue(AHEAD)
        self._stopped = Event()
        self._thread = Thread(target=self._fill, args=(batches,), name="prefetch", daemon=True)
        self.waited_s = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        with suppress(Empty):
            while True:
                self._ready.get_nowait()
        self._thread.join(PATIENCE_S)

    def take(self) -> Arrival:
        """Wait for the next batch."""
        started = time.perf_counter()
        arrival = self._ready.get()
        self.waited_s += time.perf_counter() - started
        if isinstance(arrival, BaseException):
            raise arrival
        if self._side is not None:
            self._adopt(arrival.batch, self._side)
        return arrival

    def _fill(self, batches: Iterator[tuple[BatchKey, bytes]]) -> None:
        try:
            for key, payload in batches:
                batch = Batch.from_bytes(payload, self._layout)
                if not self._put(Arrival(key, payload, self._moved(batch))):
                    return
            self._put(BaliError("the batches ended before the run: resume it to ask again"))
        except BaseException as error:
            self._put(error)

    def _put(self, arrival: Arrival | BaseException) -> bool:
        """Hand over what is ready; False when nobody wants it any more."""
        while not self._stopped.is_set():
            with suppress(Full):
                self._ready.put(arrival, timeout=POLL_S)
                return True
        return False

    def _moved(self, batch: Batch) -> Batch:
        if self._side is None:
            return batch.to(self._device)
        with torch.cuda.stream(self._side):
            moved = batch.pinned().to(self._device)
        self._side.synchronize()
        return moved

    def _adopt(self, batch: Batch, side: torch.cuda.Stream) -> None:
        """Keep the memory of tensors made on the side stream until this stream is done with it."""
        current = torch.cuda.current_stream(self._device)
        current.wait_stream(side)
        for tensor in batch.tensors():
            tensor.record_stream(current)
