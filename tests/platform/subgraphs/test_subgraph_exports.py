"""Every form that a subgraph can take holds the same nodes and edges."""

from __future__ import annotations

import csv
import io
import json
import struct
import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bali_platform.base.errors import UsageError
from bali_platform.graph import Link, Node
from bali_platform.graph.semantic_groups import SEMANTIC_GROUPS
from bali_platform.subgraphs import Subgraph, read_pyg
from bali_platform.subgraphs.picture import draw

LABELS = [group.label for group in SEMANTIC_GROUPS]
SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def subgraphs(draw: st.DrawFn) -> Subgraph:
    numbers = sorted(draw(st.sets(st.integers(0, 99), max_size=12)))
    nodes = tuple(
        Node(
            f"C{number:07d}",
            draw(st.text(min_size=1, max_size=50)),
            tuple(draw(st.lists(st.sampled_from(["Disease", "Gene <x>"]), max_size=2))),
            tuple(draw(st.lists(st.sampled_from(LABELS), max_size=2, unique=True))),
            draw(st.integers(0, 3)),
        )
        for number in numbers
    )
    if len(nodes) < 2:
        return Subgraph(nodes, ())
    cuis = st.sampled_from([node.cui for node in nodes])
    ends = st.tuples(cuis, cuis).filter(lambda pair: pair[0] != pair[1])
    triples = draw(st.sets(st.tuples(ends, st.sampled_from(["ISA", "PART_OF"])), max_size=30))
    edges = tuple(Link(*pair, kind, ("MSH", "GO")) for pair, kind in sorted(triples))
    return Subgraph(nodes, edges, ("gone",), "v1")


def any_subgraph(test: Callable[[Subgraph], None]) -> Callable[[], None]:
    # The first example pays for importing torch or networkx.
    return settings(max_examples=40, deadline=None)(given(subgraphs())(test))


@any_subgraph
def test_json_is_what_networkx_reads(subgraph: Subgraph) -> None:
    graph = networkx.node_link_graph(json.loads(subgraph.to_json()), edges="edges")
    assert list(graph) == [node.cui for node in subgraph.nodes]
    assert all(graph.nodes[node.cui]["name"] == node.name for node in subgraph.nodes)
    assert sorted((a, b, data["type"]) for a, b, data in graph.edges(data=True)) == sorted(
        (edge.source, edge.target, edge.type) for edge in subgraph.edges
    )


@any_subgraph
def test_networkx(subgraph: Subgraph) -> None:
    graph = subgraph.to_networkx()
    assert set(graph.edges(keys=True)) == {(e.source, e.target, e.type) for e in subgraph.edges}
    assert [data["hop"] for _, data in graph.nodes(data=True)] == [n.hop for n in subgraph.nodes]


@any_subgraph
def test_graphml_is_valid_whatever_the_names(subgraph: Subgraph) -> None:
    graph = networkx.parse_graphml(subgraph.to_graphml(), force_multigraph=True)
    assert set(graph) == {node.cui for node in subgraph.nodes}
    assert {(a, b, data["type"]) for a, b, data in graph.edges(data=True)} == {
        (edge.source, edge.target, edge.type) for edge in subgraph.edges
    }


@any_subgraph
def test_csv(subgraph: Subgraph) -> None:
    tables = {
        name: list(csv.DictReader(io.StringIO(text, newline="")))
        for name, text in subgraph.to_csv().items()
    }
    names = {node.cui: node.name.replace("\r", " ") for node in subgraph.nodes}
    assert [row["name"] for row in tables["nodes"]] == list(names.values())
    assert [(r["source"], r["type"], r["target"], r["source_name"]) for r in tables["edges"]] == [
        (e.source, e.type, e.target, names[e.source]) for e in subgraph.edges
    ]


@any_subgraph
def test_pandas(subgraph: Subgraph) -> None:
    nodes, edges = subgraph.to_pandas()
    assert len(nodes) == len(subgraph.nodes)
    assert len(edges) == len(subgraph.edges)
    assert not len(edges) or list(edges["type"]) == [edge.type for edge in subgraph.edges]


def edges_of(subgraph: Subgraph) -> list[tuple[str, str, str]]:
    return [(edge.source, edge.type, edge.target) for edge in subgraph.edges]


@any_subgraph
def test_pyg(subgraph: Subgraph) -> None:
    data = subgraph.to_pyg()
    data.validate()
    assert data.num_nodes == len(subgraph.nodes)
    rows = zip(*data.edge_index.tolist(), data.edge_type.tolist(), strict=True)
    assert [(data.cui[a], data.relation_types[kind], data.cui[b]) for a, b, kind in rows] == (
        edges_of(subgraph)
    )


@any_subgraph
def test_dgl(subgraph: Subgraph) -> None:
    graph = subgraph.to_dgl()
    assert graph.num_nodes() == len(subgraph.nodes)
    rows = zip(
        *(ends.tolist() for ends in graph.edges()), graph.edata["type"].tolist(), strict=True
    )
    cuis = [node.cui for node in subgraph.nodes]
    assert [(cuis[a], subgraph.relation_types[kind], cuis[b]) for a, b, kind in rows] == (
        edges_of(subgraph)
    )


@any_subgraph
def test_hetero(subgraph: Subgraph) -> None:
    data = subgraph.to_hetero()
    found = {
        (data[source].cui[a], kind, data[target].cui[b])
        for source, kind, target in data.edge_types
        for a, b in data[source, kind, target].edge_index.T.tolist()
    }
    assert found == set(edges_of(subgraph))
    assert sum(data[kind].num_nodes for kind in data.node_types) == len(subgraph.nodes)


def test_pyg_file(tmp_path: Path) -> None:
    nodes = (Node("C1", "心", (), ("Anatomy",)), Node("C2", "two", hop=1))
    subgraph = Subgraph(nodes, (Link("C2", "C1", "ISA"),))
    path = tmp_path / "graph.safetensors"
    path.write_bytes(subgraph.to_safetensors())
    data = read_pyg(path)
    assert (data.cui, data.name, data.num_nodes) == (["C1", "C2"], ["心", "two"], 2)
    assert data.edge_index.tolist() == [[1], [0]]
    assert data.hop.tolist() == [0, 1]


@any_subgraph
def test_picture_shows_every_concept_and_is_valid(subgraph: Subgraph) -> None:
    svg = subgraph.to_svg()
    assert svg == subgraph.to_svg() == subgraph._repr_svg_()
    root = ET.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    circles = [c for c in root.iter(f"{SVG}circle") if c.attrib.get("class", "").startswith("node")]
    assert len(circles) == len(subgraph.nodes)
    assert all(0 < float(c.attrib["cx"]) < width for c in circles)
    assert all(0 < float(c.attrib["cy"]) < height for c in circles)
    starts = [c for c in circles if "start" in c.attrib["class"]]
    assert len(starts) == sum(node.hop == 0 for node in subgraph.nodes)
    pairs = {(edge.source, edge.target) for edge in subgraph.edges}
    assert len([p for p in root.iter(f"{SVG}path") if p.attrib.get("class") == "edge"]) == len(
        pairs
    )


def test_edges_are_drawn_by_their_weight() -> None:
    nodes = tuple(Node(cui, cui) for cui in ("C1", "C2", "C3"))
    light, heavy = Link("C1", "C2", "ISA"), Link("C2", "C3", "ISA")
    root = ET.fromstring(draw(Subgraph(nodes, (light, heavy)), {light: 0.1, heavy: 0.9}))
    edges = [path for path in root.iter(f"{SVG}path") if path.attrib.get("class") == "edge"]
    widths = [float(edge.attrib["style"].split("px")[0].split(":")[1]) for edge in edges]
    assert widths[0] < widths[1]


def test_what_is_not_connected_stands_apart() -> None:
    nodes = tuple(Node(f"C{number}", "x", hop=number % 2) for number in range(9))
    ends = [(0, 1), (0, 3), (2, 5), (2, 7)]
    edges = tuple(Link(f"C{one}", f"C{two}", "ISA") for one, two in ends)
    root = ET.fromstring(Subgraph(nodes, edges).to_svg())
    places = {
        circle[0].text[3:5]: (float(circle.attrib["cx"]), float(circle.attrib["cy"]))
        for circle in root.iter(f"{SVG}circle")
        if len(circle)
    }
    parts = [("C0", "C1", "C3"), ("C2", "C5", "C7"), ("C4",), ("C6",), ("C8",)]
    for one, other in combinations(parts, 2):
        apart = (
            max(places[cui][axis] for cui in first) + 100 < min(places[c][axis] for c in second)
            for axis in (0, 1)
            for first, second in ((one, other), (other, one))
        )
        assert any(apart), (one, other)


def test_names_cannot_break_out_of_the_picture() -> None:
    svg = Subgraph((Node("C1", '</text><script>alert("x")</script>'),), ()).to_svg()
    assert "<script" not in svg


def test_png_has_twice_the_pixels_of_the_drawing() -> None:
    disorder = Subgraph((Node("C1", "heart attack", (), ("Disorder",)),), ())
    anatomy = Subgraph((Node("C1", "heart attack", (), ("Anatomy",)),), ())
    root = ET.fromstring(disorder.to_svg())
    png = disorder.to_png()
    assert png.startswith(b"\x89PNG")
    size = struct.unpack(">II", png[16:24])
    assert size == tuple(2 * int(root.attrib[name]) for name in ("width", "height"))
    assert png != anatomy.to_png()


def test_huge_pictures_are_refused() -> None:
    nodes = tuple(Node(f"C{number}", "x") for number in range(401))
    with pytest.raises(UsageError, match="401 concepts are too many"):
        Subgraph(nodes, ()).to_svg()
