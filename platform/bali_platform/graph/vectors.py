"""Vectors of concepts in the graph: written, indexed, searched.

One model's at a time: the ``:Release`` node says whose they are, and vectors of another are refused
until the old ones are removed, so that no two vectors in the graph are from different spaces.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bali_platform.base.errors import BaliError, UsageError, did_you_mean
from bali_platform.graph.client import Graph
from bali_platform.graph.records import Records
from bali_platform.graph.semantic_groups import SEMANTIC_GROUPS
from bali_platform.graph.statements import statement

AT_ONCE = 4096
CANDIDATES = 100
PATIENCE_S = 4 * 3600


class NoVectorsError(BaliError):
    """The graph has no vectors that an answer could be made with, or not all of them yet."""


@dataclass(frozen=True, slots=True)
class Maker:
    """The model that made vectors.

    Attributes:
        model: Folder or name that it was loaded from.
        digest: Differs from that of every model that encodes anything otherwise.
        dimensions: Length of a vector.
    """

    model: str
    digest: str
    dimensions: int


@dataclass(frozen=True, slots=True)
class Similar:
    """A concept near a vector."""

    cui: str
    name: str
    semantic_types: tuple[str, ...]
    cosine: float


@dataclass(frozen=True, slots=True)
class Mentioned:
    """A piece of text to be linked: its vector, and the concepts whose name it is."""

    vector: Sequence[float]
    cuis: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a mention may mean: ``named`` when the mention is a name of the concept."""

    cui: str
    name: str
    semantic_types: tuple[str, ...]
    named: bool
    cosine: float


class Vectors:
    """The vectors of a graph's concepts."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def maker(self) -> Maker | None:
        """Tell whose vectors the graph holds, if any; some of them may still be missing."""
        row = self._state()
        return Maker(row["model"], row["digest"], row["dimensions"]) if row["digest"] else None

    def made_by(self, maker: Maker) -> bool:
        """Tell whether all vectors that are wanted are there, and of this model."""
        state = self._state()
        return bool(state["complete"]) and state["digest"] == maker.digest

    def begin(self, maker: Maker, *, replace: bool = False) -> None:
        """Make the graph ready for vectors of ``maker``, or go on with them.

        Raises:
            BaliError: the graph holds others, and they are not to be replaced.
        """
        if replace:
            self.clear()
        elif present := self.maker():
            if present.digest != maker.digest:
                raise BaliError(
                    f"the graph holds vectors of {present.model}, which do not compare with those "
                    f"of {maker.model}: give --replace to remove them first"
                )
        elif self._graph.query("vectors_any"):
            raise BaliError(
                "the graph holds vectors that `bali embed` did not write: "
                "give --replace to remove them first"
            )
        else:
            self._run("vectors_drop_index")  # which may be of another length
        self._mark(maker, complete=False)

    def pending(
        self,
        *,
        groups: Collection[str] | None = None,
        sources: Collection[str] | None = None,
        missing_only: bool = True,
        after: str = "",
    ) -> Iterator[list[tuple[str, str]]]:
        """Yield (CUI, preferred name) of concepts without a vector, or of all, in order of CUI.

        Some thousands at a time, so that whoever is killed has written what came before. Filters
        as in :meth:`count`; ``after`` passes over CUIs up to that one.
        """
        filters = _filters(groups, sources)
        while rows := self._graph.query(
            "vectors_pending", after=after, missing_only=missing_only, limit=AT_ONCE, **filters
        ):
            yield [(row["cui"], row["name"]) for row in rows]
            after = rows[-1]["cui"]

    def count(
        self,
        *,
        groups: Collection[str] | None = None,
        sources: Collection[str] | None = None,
        missing_only: bool = True,
    ) -> int:
        """Count the concepts of :meth:`pending`.

        ``groups`` (labels of semantic groups) and ``sources`` (vocabularies) admit any of the given
        values; None admits all.
        """
        filters = _filters(groups, sources)
        (row,) = self._graph.query("vectors_count", missing_only=missing_only, **filters)
        return int(row["concepts"])

    def read(self, cuis: Sequence[str]) -> list[list[float] | None]:
        """Return the vectors of concepts, None for one that has none."""
        rows = self._graph.query("vectors_read", cuis=list(cuis))
        found = {row["cui"]: row["vector"] for row in rows}
        return [found.get(cui) for cui in cuis]

    def write(self, rows: Sequence[tuple[str, list[float]]]) -> None:
        """Write (CUI, vector) pairs in one transaction."""
        self._change("vectors_write", rows=[list(row) for row in rows])

    def finish(self, maker: Maker) -> None:
        """Index all vectors and note that none is missing."""
        index = {
            "vector.dimensions": maker.dimensions,
            "vector.similarity_function": "cosine",
        }
        self._run("vectors_index", options={"indexConfig": index})
        self._run("vectors_await", seconds=PATIENCE_S)
        self._mark(maker, complete=True)

    def clear(self) -> None:
        """Remove the index and all vectors."""
        self._run("vectors_drop_index")
        self._run("vectors_clear")
        self._change("vectors_mark", model=None, digest=None, dimensions=None, complete=None)

    def similar(self, cui: str, limit: int = 10) -> Records[Similar]:
        """Return the concepts nearest to the one of a live CUI, nearest first.

        Raises:
            BaliError: there is no such concept, or it has no vector.
        """
        self.require()
        rows = self._graph.query("similar", cui=cui, **_sizes(limit))
        if not rows:
            raise BaliError(f"{cui} has no vector: run `bali embed` again, without filters")
        return Records(map(_similar, rows))

    def nearest(self, vector: Sequence[float], limit: int = 10) -> Records[Similar]:
        """Return the concepts nearest to a vector of the graph's own model, nearest first."""
        self.require()
        rows = self._graph.query("nearest", vector=list(vector), **_sizes(limit))
        return Records(map(_similar, rows))

    def link(self, mentions: Sequence[Mentioned], limit: int = 5) -> list[Records[Candidate]]:
        """Return for each mention what it may mean, best first.

        The concepts that bear the name come first; the others are those nearest to its vector.
        """
        self.require()
        asked = [{"cuis": list(m.cuis), "vector": list(m.vector)} for m in mentions]
        rows = {
            row["number"]: row["candidates"]
            for row in self._graph.query("link", mentions=asked, **_sizes(limit))
        }
        return [Records(map(_candidate, rows.get(i, ()))) for i in range(len(mentions))]

    def require(self) -> Maker:
        """Return who made the graph's vectors; :class:`NoVectorsError` unless all are there."""
        maker = self.maker()
        if maker is None:
            raise NoVectorsError("the concepts have no vectors: make some with `bali embed MODEL`")
        if not self._state()["complete"]:
            raise NoVectorsError(
                f"the vectors of {maker.model} are not all written: run `bali embed` with it again"
            )
        return maker

    def _state(self) -> dict[str, Any]:
        rows = self._graph.query("vectors")
        if not rows:
            raise BaliError("no graph loaded: run `bali load`")
        return rows[0]

    def _mark(self, maker: Maker, *, complete: bool) -> None:
        self._change(
            "vectors_mark",
            model=maker.model,
            digest=maker.digest,
            dimensions=maker.dimensions,
            complete=complete,
        )

    def _change(self, name: str, **parameters: Any) -> None:
        """Run a shipped statement in a write transaction, again if the server is briefly away."""
        with self._graph.errors(), self._graph.driver.session() as session:
            session.execute_write(lambda tx: tx.run(statement(name), parameters).consume())

    def _run(self, name: str, **parameters: Any) -> None:
        """Run a shipped statement that manages its own transactions."""
        with self._graph.errors(), self._graph.driver.session() as session:
            session.run(statement(name), parameters).consume()


def _sizes(limit: int) -> dict[str, int]:
    """Return how many are wanted, and how many the index is asked for."""
    return {"limit": limit, "candidates": max(CANDIDATES, 4 * limit)}


def _filters(
    groups: Collection[str] | None, sources: Collection[str] | None
) -> dict[str, list[str] | None]:
    known = [group.label for group in SEMANTIC_GROUPS]
    for label in groups or ():
        if label not in known:
            raise UsageError(f"no semantic group '{label}'{did_you_mean(label, known)}")
    return {
        "groups": None if groups is None else list(groups),
        "sources": None if sources is None else list(sources),
    }


def _similar(row: dict[str, Any]) -> Similar:
    return Similar(row["cui"], row["name"], tuple(row["semantic_types"] or ()), row["cosine"])


def _candidate(row: list[Any]) -> Candidate:
    cui, name, types, named, cosine = row
    return Candidate(cui, name, tuple(types or ()), named, cosine)
