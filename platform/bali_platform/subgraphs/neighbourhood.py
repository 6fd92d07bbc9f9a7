"""What a concept's neighbourhood is, and who can provide it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import md5
from heapq import nsmallest
from sys import intern
from typing import NamedTuple, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from bali_platform.base.errors import BaliError

MAX_EDGES = 64
"""Edges of a neighbourhood; a concept with more is a hub, and shows a uniform choice of them."""

MAX_NAMES = 32
"""Names given for a concept, best first."""


class GraphChangedError(BaliError):
    """Another graph went live since this source was opened; open a new one to go on."""


class Edge(NamedTuple):
    """An edge seen from a concept: ``outgoing`` if stored as ``(concept)-[type]->(neighbour)``."""

    neighbour: str
    type: str
    outgoing: bool


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """A live concept, its names (best first) and its edges, in order of type, direction, CUI."""

    cui: str
    names: tuple[str, ...]
    edges: Sequence[Edge]


@dataclass(frozen=True)
class Lookup:
    """Answers by the CUI asked for, and the CUIs that the graph has neither live nor retired.

    ``found[asked].cui`` differs from ``asked`` where a retired CUI was followed to its successor.
    """

    found: dict[str, Neighbourhood]
    missing: tuple[str, ...]


class NeighbourhoodSource(Protocol):
    """Where neighbourhoods come from. Look-ups take thousands of CUIs at once.

    What they return depends on the graph version and the CUI alone.
    """

    @property
    def graph_version(self) -> str:
        """The graph that every answer is from."""

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        """Return the neighbourhood of every CUI; raises :class:`GraphChangedError`."""

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return at most ``MAX_NAMES`` names, best first, of every CUI that the graph knows."""

    def concepts_with_synonyms(self) -> NDArray[np.str_]:
        """Return the CUI of every live concept with more than one name, in order."""


def choose_edges(graph_version: str, cui: str, entries: Sequence[str]) -> Sequence[str]:
    """Return at most ``MAX_EDGES`` of a concept's edges, uniformly chosen.

    ``entries`` are edges as :class:`WrittenEdges` takes them. The choice is that of the loader's
    ``sampled_edges``: the smallest MD5 hashes of ``graph_version|cui|>TYPE|neighbour``.
    """
    if len(entries) <= MAX_EDGES:
        return entries

    def rank(entry: str) -> bytes:
        kind, _, end = entry.partition(" ")
        text = f"{graph_version}|{cui}|{end[0]}{kind}|{end[1:]}"
        return md5(text.encode(), usedforsecurity=False).digest()

    return nsmallest(MAX_EDGES, entries, key=rank)


class EdgeSequence(Sequence[Edge]):
    """Edges as they were received, equal to a tuple of them.

    Each is parsed when it is asked for: a batch draws a few of a concept's edges, and to parse them
    all would take longer than to receive them.
    """

    __slots__ = ()

    @abstractmethod
    def parse(self, at: int) -> Edge:
        """Return the edge at a place."""

    @overload
    def __getitem__(self, at: int) -> Edge: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Edge, ...]: ...
    def __getitem__(self, at: int | slice) -> Edge | tuple[Edge, ...]:
        if isinstance(at, slice):
            return tuple(map(self.parse, range(len(self))[at]))
        return self.parse(at)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (tuple, EdgeSequence)) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


class WrittenEdges(EdgeSequence):
    """Edges as Neo4j writes them, ``TYPE >CUI`` (outgoing) and ``TYPE <CUI``, put in order.

    A space comes before all that a type is spelt with, and ``<`` before ``>``: the texts are in the
    order of type, direction and CUI.
    """

    __slots__ = ("_entries",)

    def __init__(self, entries: Iterable[str]) -> None:
        self._entries = sorted(entries)

    def __len__(self) -> int:
        return len(self._entries)

    def parse(self, at: int) -> Edge:
        """Parse one text."""
        kind, _, end = self._entries[at].partition(" ")
        return Edge(end[1:], intern(kind), end[0] == ">")
