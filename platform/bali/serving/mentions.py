"""Names of a graph found in text, each with every concept that bears it."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

from bali_platform.base.progress import QUIET, Reporter
from bali_platform.base.settings import load_settings

if TYPE_CHECKING:
    from bali_loaders.linking import Linker
    from bali_platform.graph import Graph

Mentions = dict[tuple[int, int], list[str]]
"""CUIs by the span, first character and the one after the last, that is a name of theirs."""


class MentionFinder:
    """Finds the names of a graph; its dictionary is compiled once and kept in the home's cache."""

    def __init__(self, graph: Callable[[], Graph], reporter: Reporter = QUIET) -> None:
        self._graph, self._reporter = graph, reporter
        self._lock = Lock()
        self._linker: Linker | None = None
        self._version = ""

    def find(self, text: str) -> Mentions:
        """Return the mentions in ``text``, in order."""
        from bali_loaders.linking import Unlinked

        spans: Mentions = {}
        for mention in next(self._live_linker().link([Unlinked("", 0, text)])).mentions:
            spans.setdefault((mention.start, mention.end), []).append(mention.cui)
        return spans

    def _live_linker(self) -> Linker:
        from bali_loaders.linking import Linker, graph_dictionary

        graph = self._graph()
        with self._lock:
            if self._linker is None or self._version != graph.version:
                cache = load_settings().home / "cache"
                dictionary = graph_dictionary(graph, cache, reporter=self._reporter)
                self._linker = Linker(dictionary, ambiguous="all")
                self._version = graph.version
            return self._linker
