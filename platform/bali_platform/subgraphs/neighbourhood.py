"""What a concept's neighbourhood is, and who can provide it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import md5
from heapq import nsmallest
from operator import itemgetter
from typing import NamedTuple, Protocol

from bali_platform.errors import BaliError

__all__ = [
    "MAX_EDGES",
    "MAX_NAMES",
    "Edge",
    "GraphChangedError",
    "Lookup",
    "Neighbourhood",
    "NeighbourhoodSource",
    "choose_edges",
    "parse_edges",
]

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
    """Where neighbourhoods come from. Both methods take thousands of CUIs at once.

    What they return depends on the graph version and the CUI alone.
    """

    @property
    def graph_version(self) -> str:
        """The graph that every answer is from."""

    def neighbourhoods(self, cuis: Sequence[str]) -> Lookup:
        """Return the neighbourhood of every CUI; raises :class:`GraphChangedError`."""

    def names(self, cuis: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return at most ``MAX_NAMES`` names, best first, of every CUI that the graph knows."""


def choose_edges(graph_version: str, cui: str, entries: Sequence[str]) -> Sequence[str]:
    """Return at most ``MAX_EDGES`` of a concept's edges, uniformly chosen.

    ``entries`` are edges as the graph writes them (``>TYPE|CUI`` out of the concept, ``<TYPE|CUI``
    into it). The choice is that of the loader's ``sampled_edges``: the smallest MD5 hashes of
    ``graph_version|cui|entry``, in that order.
    """
    if len(entries) <= MAX_EDGES:
        return entries

    def rank(entry: str) -> bytes:
        return md5(f"{graph_version}|{cui}|{entry}".encode(), usedforsecurity=False).digest()

    return nsmallest(MAX_EDGES, entries, key=rank)


def parse_edges(entries: Iterable[str]) -> tuple[Edge, ...]:
    """Parse edges as the graph writes them, and put them in a neighbourhood's order."""
    edges = []
    for entry in entries:
        kind, _, neighbour = entry.partition("|")
        edges.append(Edge(neighbour, kind[1:], kind[0] == ">"))
    edges.sort(key=itemgetter(1, 2, 0))
    return tuple(edges)
