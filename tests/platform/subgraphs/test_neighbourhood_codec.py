from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bali_platform.subgraphs import Edge, Neighbourhood
from bali_platform.subgraphs.codec import decode, decode_names, encode, encode_names
from bali_platform.subgraphs.neighbourhood import WrittenEdges

names = st.lists(st.text(min_size=1), min_size=1, max_size=32).map(tuple)
identifiers = st.from_regex(r"C[0-9]{7}", fullmatch=True)
edges = st.builds(
    Edge,
    neighbour=identifiers,
    type=st.from_regex(r"[A-Z_]{1,30}", fullmatch=True),
    outgoing=st.booleans(),
)


@given(st.builds(Neighbourhood, identifiers, names, st.lists(edges, max_size=64).map(tuple)))
def test_neighbourhoods_survive(neighbourhood: Neighbourhood) -> None:
    assert decode(encode(neighbourhood)) == neighbourhood


def written(edges: Iterable[Edge]) -> list[str]:
    return [f"{edge.type} {'>' if edge.outgoing else '<'}{edge.neighbour}" for edge in edges]


@given(st.lists(edges, max_size=64).map(tuple), st.booleans(), st.data())
def test_received_edges_are_like_a_tuple(
    edges: tuple[Edge, ...], from_bytes: bool, data: st.DataObject
) -> None:
    if from_bytes:
        read = decode(encode(Neighbourhood("C0027051", ("Myocardial infarction",), edges))).edges
    else:
        read = WrittenEdges(written(edges))
        edges = tuple(sorted(edges, key=lambda e: (e.type, e.outgoing, e.neighbour)))
    assert (len(read), hash(read), repr(read)) == (len(edges), hash(edges), repr(edges))
    assert tuple(read[at] for at in range(-len(edges), len(edges))) == 2 * edges
    part = data.draw(st.slices(len(edges)))
    assert read[part] == edges[part]
    assert edges == read != (*edges, "another")
    with pytest.raises(IndexError):
        read[len(edges)]


@given(names)
def test_names_survive(names: tuple[str, ...]) -> None:
    assert decode_names(encode_names(names)) == names


def test_bytes_are_compact() -> None:
    entries = [f"ISA <C{number:07d}" for number in range(20)]
    edges = tuple(WrittenEdges(entries))
    neighbourhood = Neighbourhood("C0027051", ("Myocardial infarction",), edges)
    payload = encode(neighbourhood)
    assert len(payload) < 0.4 * len(json.dumps(asdict(neighbourhood)))
    assert len(payload) < 10 * 20 + 50


@given(st.lists(edges, unique=True))
def test_edges_are_parsed_into_order(edges: list[Edge]) -> None:
    read = WrittenEdges(written(edges))
    assert list(read) == sorted(edges, key=lambda e: (e.type, e.outgoing, e.neighbour))
