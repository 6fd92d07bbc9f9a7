"""Neighbourhoods as a few hundred bytes that decode at the speed of ``str.split``.

The bytes are UTF-8 text whose separators are 0xFE (between sections) and 0xFF (between the items
of a section). Neither byte occurs in UTF-8, so no name can be taken for a separator, and no
escaping is needed. A neighbourhood is ``cui FE name FF name .. FE group FE group ..``; a group
``>TYPE FF cui FF cui ..`` holds the outgoing edges of a type, ``<TYPE ..`` the incoming ones.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter

from bali_platform.subgraphs.neighbourhood import Edge, Neighbourhood

__all__ = ["decode", "decode_names", "encode", "encode_names"]

# What Python's surrogateescape makes of the bytes 0xFE and 0xFF, in both directions.
_SECTION = "\udcfe"
_ITEM = "\udcff"


def encode(neighbourhood: Neighbourhood) -> bytes:
    """Return the bytes of a neighbourhood."""
    sections = [neighbourhood.cui, _ITEM.join(neighbourhood.names)]
    for (kind, outgoing), edges in groupby(neighbourhood.edges, key=itemgetter(1, 2)):
        arrow = ">" if outgoing else "<"
        sections.append(_ITEM.join([arrow + kind, *(edge.neighbour for edge in edges)]))
    return _to_bytes(_SECTION.join(sections))


def decode(payload: bytes) -> Neighbourhood:
    """Return the neighbourhood that :func:`encode` was given."""
    cui, names, *groups = payload.decode("utf-8", "surrogateescape").split(_SECTION)
    edges: list[Edge] = []
    for group in groups:
        kind, *neighbours = group.split(_ITEM)
        name, outgoing = kind[1:], kind[0] == ">"
        edges += [Edge(neighbour, name, outgoing) for neighbour in neighbours]
    return Neighbourhood(cui, _split(names), tuple(edges))


def encode_names(names: tuple[str, ...]) -> bytes:
    """Return the bytes of a concept's names."""
    return _to_bytes(_ITEM.join(names))


def decode_names(payload: bytes) -> tuple[str, ...]:
    """Return the names that :func:`encode_names` was given."""
    return _split(payload.decode("utf-8", "surrogateescape"))


def _split(names: str) -> tuple[str, ...]:
    return tuple(names.split(_ITEM)) if names else ()


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
