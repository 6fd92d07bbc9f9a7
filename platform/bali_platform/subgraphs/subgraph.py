"""A part of the graph as a value, and the forms that other tools take it in."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bali_platform.graph.records import Link, Node, frame
from bali_platform.subgraphs.dgl_backend import import_dgl

if TYPE_CHECKING:
    import networkx
    import pandas
    from torch_geometric.data import Data, HeteroData


_TENSORS = ("edge_index", "edge_type", "hop")
_LISTS = ("cui", "name", "relation_types")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Subgraph:
    """Concepts, the stored edges among them, and the CUIs asked for that the graph lacks.

    Nodes are ordered by hop and CUI, edges by source, type and target; tensors follow these orders.
    A notebook shows a subgraph as a picture.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Link, ...]
    missing: tuple[str, ...] = ()
    graph_version: str = ""

    @cached_property
    def relation_types(self) -> tuple[str, ...]:
        """The relationship types that occur, sorted; ``edge_type`` tensors index them."""
        return tuple(sorted({edge.type for edge in self.edges}))

    def to_dict(self) -> dict[str, Any]:
        """Return node-link data, as :func:`networkx.node_link_graph` reads it."""
        return {
            "directed": True,
            "multigraph": True,
            "graph": {"graph_version": self.graph_version, "missing": list(self.missing)},
            "nodes": [{"id": node.cui, **_without(asdict(node), "cui")} for node in self.nodes],
            "edges": [asdict(edge) for edge in self.edges],
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)

    def to_networkx(self) -> networkx.MultiDiGraph[str]:
        """Return a directed multigraph whose nodes are CUIs and whose edge keys are types."""
        import networkx

        graph: networkx.MultiDiGraph[str] = networkx.MultiDiGraph(graph_version=self.graph_version)
        for node in self.nodes:
            graph.add_node(node.cui, **_without(asdict(node), "cui"))
        for edge in self.edges:
            graph.add_edge(edge.source, edge.target, edge.type, **_edge_attributes(edge))
        return graph

    def to_graphml(self) -> str:
        """Return GraphML; lists become text joined by ``|``; what XML forbids is left out."""
        import networkx

        plain = self.to_networkx()
        parts = [data for _, data in plain.nodes(data=True)]
        parts += [data for _, _, data in plain.edges(data=True)]
        for data in parts:
            data.update({name: _graphml_value(value) for name, value in data.items()})
        return "\n".join(networkx.generate_graphml(plain)) + "\n"

    def to_csv(self) -> dict[str, str]:
        """Return two tables with a header line each, ``nodes`` and ``edges``.

        A carriage return in a name becomes a space; everything else is kept.
        """
        names = {node.cui: node.name for node in self.nodes}
        return {
            "nodes": _table(
                ("cui", "name", "semantic_types", "groups", "hop"),
                [
                    (n.cui, n.name, "|".join(n.semantic_types), "|".join(n.groups), n.hop)
                    for n in self.nodes
                ],
            ),
            "edges": _table(
                ("source", "source_name", "type", "target", "target_name", "sources"),
                [
                    (e.source, names[e.source], e.type, e.target, names[e.target],
                     "|".join(e.sources))
                    for e in self.edges
                ],
            ),
        }  # fmt: skip

    def to_pandas(self) -> tuple[pandas.DataFrame, pandas.DataFrame]:
        """Return the data frames of nodes and of edges."""
        return frame(map(asdict, self.nodes)), frame(map(asdict, self.edges))

    def to_pyg(self) -> Data:
        """Return a PyG graph: ``edge_index`` [2, E], ``edge_type`` [E], ``hop`` [V].

        ``cui`` and ``name`` [V] and ``relation_types`` are lists of text.
        """
        import torch
        from torch_geometric.data import Data

        return Data(
            num_nodes=len(self.nodes),
            edge_index=torch.tensor(self._edge_index(), dtype=torch.long).reshape(2, -1),
            edge_type=torch.tensor(self._edge_type(), dtype=torch.long),
            hop=torch.tensor([node.hop for node in self.nodes], dtype=torch.long),
            cui=[node.cui for node in self.nodes],
            name=[node.name for node in self.nodes],
            relation_types=list(self.relation_types),
        )

    def to_safetensors(self) -> bytes:
        """Return the tensors and lists of :meth:`to_pyg` as safetensors, for :func:`read_pyg`."""
        from safetensors.torch import save

        data = self.to_pyg()
        tensors = {name: data[name] for name in _TENSORS}
        return save(tensors, {name: json.dumps(data[name]) for name in _LISTS})

    def to_hetero(self) -> HeteroData:
        """Return a PyG graph with a node type a semantic group and an edge type a relationship.

        A concept of several groups counts under the first; one of none under ``Concept``.
        """
        import torch
        from torch_geometric.data import HeteroData

        members: dict[str, list[Node]] = defaultdict(list)
        places: dict[str, tuple[str, int]] = {}
        for node in self.nodes:
            group = node.groups[0] if node.groups else "Concept"
            places[node.cui] = group, len(members[group])
            members[group].append(node)
        pairs: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
        for edge in self.edges:
            (group, row), (other, column) = places[edge.source], places[edge.target]
            pairs[group, edge.type, other].append((row, column))
        data = HeteroData()
        for group, nodes in members.items():
            data[group].num_nodes = len(nodes)
            data[group].cui = [node.cui for node in nodes]
            data[group].name = [node.name for node in nodes]
        for kind, ends in pairs.items():
            data[kind].edge_index = torch.tensor(ends, dtype=torch.long).T.contiguous()
        return data

    def to_dgl(self) -> Any:
        """Return a ``DGLGraph`` with ``ndata["hop"]`` and ``edata["type"]``; needs DGL."""
        import torch

        dgl = import_dgl()
        source, target = self._edge_index()
        ends = torch.tensor(source, dtype=torch.long), torch.tensor(target, dtype=torch.long)
        graph = dgl.graph(ends, num_nodes=len(self.nodes))
        graph.ndata["hop"] = torch.tensor([node.hop for node in self.nodes], dtype=torch.long)
        graph.edata["type"] = torch.tensor(self._edge_type(), dtype=torch.long)
        return graph

    def to_svg(self) -> str:
        """Return a picture; semantic groups have colours, the starting concepts a dark ring."""
        from bali_platform.subgraphs.picture import draw

        return draw(self)

    def to_png(self) -> bytes:
        """Return the picture of :meth:`to_svg` in twice as many pixels, with this machine's fonts.

        On a machine without any fonts it shows no names.
        """
        from resvg_py import svg_to_bytes

        return bytes(svg_to_bytes(svg_string=self.to_svg(), background="#ffffff", zoom=2))

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _edge_index(self) -> tuple[list[int], list[int]]:
        rows = {node.cui: row for row, node in enumerate(self.nodes)}
        return [rows[e.source] for e in self.edges], [rows[e.target] for e in self.edges]

    def _edge_type(self) -> list[int]:
        numbers = {name: number for number, name in enumerate(self.relation_types)}
        return [numbers[edge.type] for edge in self.edges]


def read_pyg(path: Path) -> Data:
    """Read a file of :meth:`Subgraph.to_safetensors` as a PyG graph."""
    from safetensors import safe_open
    from torch_geometric.data import Data

    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in _TENSORS}
        lists = {name: json.loads(file.metadata()[name]) for name in _LISTS}
    return Data(num_nodes=len(lists["cui"]), **tensors, **lists)


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _edge_attributes(edge: Link) -> dict[str, Any]:
    return {"type": edge.type, "sources": edge.sources}


def _graphml_value(value: Any) -> str | int:
    if isinstance(value, int):
        return value
    text = "|".join(value) if isinstance(value, tuple) else str(value)
    return _NOT_XML.sub("", text)


def _table(header: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    # With these line ends Python does not quote a carriage return, and readers take it for one.
    writer.writerows([str(cell).replace("\r", " ") for cell in row] for row in rows)
    return text.getvalue()
