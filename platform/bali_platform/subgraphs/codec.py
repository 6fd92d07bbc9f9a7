"""Neighbourhoods as a few hundred bytes that decode in a microsecond or two.

A neighbourhood is five sections, ``cui FE names FE kinds FE neighbours FE codes``. The items of a
section are UTF-8 text separated by the byte 0xFF. Neither 0xFE nor 0xFF occurs in UTF-8, so nothing
in a name can be taken for a separator, and there is nothing to escape. ``kinds`` are the distinct
``>TYPE`` (outgoing) and ``<TYPE`` (incoming); ``codes`` has one byte for each neighbour, the number
of its kind: below 64, like the number of edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from bali_platform.subgraphs.neighbourhood import Edge, EdgeSequence, Neighbourhood

_SECTION, _ITEM = b"\xfe", b"\xff"


def encode(neighbourhood: Neighbourhood) -> bytes:
    """Return the bytes of a neighbourhood."""
    kinds = [(">" if edge.outgoing else "<") + edge.type for edge in neighbourhood.edges]
    numbers = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    sections = (
        neighbourhood.cui.encode(),
        encode_names(neighbourhood.names),
        _ITEM.join(map(str.encode, numbers)),
        _ITEM.join([edge.neighbour.encode() for edge in neighbourhood.edges]),
        bytes(map(numbers.__getitem__, kinds)),
    )
    return _SECTION.join(sections)


def decode(payload: bytes) -> Neighbourhood:
    """Return the neighbourhood that :func:`encode` was given."""
    cui, names, *edges = payload.split(_SECTION, 4)
    return Neighbourhood(cui.decode(), decode_names(names), _Edges(*edges))


def encode_names(names: tuple[str, ...]) -> bytes:
    """Return the bytes of a concept's names."""
    return _ITEM.join(map(str.encode, names))


def decode_names(payload: bytes) -> tuple[str, ...]:
    """Return the names that :func:`encode_names` was given."""
    return tuple(map(bytes.decode, payload.split(_ITEM))) if payload else ()


class _Edges(EdgeSequence):
    """Edges as they lie in the cache."""

    __slots__ = ("_codes", "_kinds", "_neighbours", "_read")

    def __init__(self, kinds: bytes, neighbours: bytes, codes: bytes) -> None:
        self._kinds, self._neighbours, self._codes = kinds, neighbours, codes
        self._read: tuple[list[bytes], list[bytes]] | None = None

    def __len__(self) -> int:
        return len(self._codes)

    def parse(self, at: int) -> Edge:
        """Decode one neighbour and the kind of its edge."""
        kinds, neighbours = self._read or self._columns()
        kind, outgoing = _decode_kind(kinds[self._codes[at]])
        return Edge(neighbours[at].decode(), kind, outgoing)

    def __iter__(self) -> Iterator[Edge]:
        kinds, neighbours = self._columns()
        for neighbour, code in zip(neighbours, self._codes, strict=False):
            yield Edge(neighbour.decode(), *_decode_kind(kinds[code]))

    def _columns(self) -> tuple[list[bytes], list[bytes]]:
        self._read = self._kinds.split(_ITEM), self._neighbours.split(_ITEM)
        return self._read


@lru_cache(maxsize=4096)
def _decode_kind(item: bytes) -> tuple[str, bool]:
    # Cached also so that all edges of a type share one string.
    text = item.decode()
    return text[1:], text[:1] == ">"
