"""The live graph of a process that serves no HTTP, followed as it changes."""

from __future__ import annotations

import time
from threading import Lock

from bali_platform.api.coalescing import CoalescingGraph
from bali_platform.base.errors import BaliError
from bali_platform.graph import Graph

LOOK_EVERY_S = 1.0


class LiveGraph:
    """Returns the live graph when called; connects again after a switch, or an outage.

    Raises :class:`BaliError` while there is none.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._graph: Graph | None = None
        self._looked = 0.0

    def __call__(self) -> Graph:
        """Return the graph that is live now."""
        with self._lock:
            if self._graph is None or not self._is_live(self._graph):
                # Others may still read the old one, which closes when the last lets go of it.
                self._graph = CoalescingGraph.connect()
            return self._graph

    def _is_live(self, graph: Graph) -> bool:
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_S:
            return True
        self._looked = now
        try:
            rows = graph.query("release")
        except BaliError:
            return False
        return bool(rows) and rows[0]["graph_version"] == graph.version
