"""What a load did: every row accounted for, everything counted, every step timed."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from bali_loaders.umls.options import LoadOptions

NOT_ASKED_FOR = "not asked for"


class Report(BaseModel):
    """The reconciliation of a graph with the release it came from.

    ``files`` says for each RRF file what became of its rows: ``kept``, ``merged`` into what another
    row already states, or dropped for a named reason; the sum is ``rows``, the file's row count.
    ``nodes`` and ``relationships`` count what the graph holds, by label and type; ``facts`` counts
    the edges between concepts, ``names`` the names of all concepts; ``seconds`` times the steps.
    """

    model_config = ConfigDict(extra="forbid")

    release: str
    graph_version: str
    options: LoadOptions
    files: dict[str, dict[str, int]]
    nodes: dict[str, int]
    relationships: dict[str, int]
    relation_types: list[str]
    facts: int
    names: int
    facts_by_source: dict[str, int]
    seconds: dict[str, float] = {}

    def rows(self, file: str) -> int:
        """Return the rows that were read of ``file``."""
        return sum(self.files[file].values())
