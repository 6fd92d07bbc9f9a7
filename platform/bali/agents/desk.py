"""What the tools work with: the live graph, its terminology, and the model of its vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from bali.agents.schema import Schema
from bali.changes import Changes
from bali.serving.model import ServedModel
from bali_platform.graph import Graph
from bali_platform.terminology import Terminology
from bali_platform.terminology.saved import SavedSets

What = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="A CUI (C0027051) or a code as people write it (MSH:D009203, HP:0001658, "
        "I21.9, a URI).",
    ),
]
Code = Annotated[
    str, Field(min_length=1, max_length=200, description="A code, such as MSH:D009203 or I21.9.")
]
Vocabulary = Annotated[
    str | None,
    Field(max_length=200, description="The code's vocabulary, where the code does not name it."),
]
Limit = Annotated[int, Field(ge=1, le=500, description="Rows at most.")]
Skip = Annotated[int, Field(ge=0, le=10**9, description="Rows to pass over.")]
Words = Annotated[tuple[str, ...], Field(max_length=50)]


@dataclass(frozen=True)
class Live:
    """A graph, and what was read of it once."""

    graph: Graph
    terms: Terminology
    schema: Schema


class Desk:
    """One for a server; any thread may use it."""

    def __init__(
        self, graph: Callable[[], Graph], model: ServedModel, changes: Changes, saved: SavedSets
    ) -> None:
        self._graph, self.model, self.changes, self.saved = graph, model, changes, saved
        self._live: Live | None = None

    @property
    def live(self) -> Live:
        """The graph that is live now."""
        graph = self._graph()
        if self._live is None or self._live.graph is not graph:
            self._live = Live(graph, Terminology(graph), Schema(graph))
        return self._live

    @property
    def graph(self) -> Graph:
        """The live graph."""
        return self.live.graph

    @property
    def terms(self) -> Terminology:
        """Its terminology."""
        return self.live.terms

    def cui(self, what: str) -> str:
        """Return the live CUI that a CUI or code leads to."""
        return self.terms.resolve_code(what).cui
