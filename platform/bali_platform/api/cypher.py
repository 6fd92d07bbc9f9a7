"""Rows of Cypher as the API answers with them: every node and relationship once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from neo4j.graph import Node, Path, Relationship

from bali_platform.api.models import CypherAnswer, CypherEdge, CypherNode
from bali_platform.graph.cypher import Rows, plain


def to_answer(graph_version: str, found: Rows) -> CypherAnswer:
    """Return ``found`` with its nodes and relationships apart."""
    collector = _Collector()
    rows = [[collector.plain(value) for value in row] for row in found.values]
    return CypherAnswer(
        graph_version=graph_version,
        columns=list(found.columns),
        rows=rows,
        nodes=list(collector.nodes.values()),
        edges=list(collector.edges.values()),
        truncated=found.truncated,
    )


class _Collector:
    """Turns the driver's values into JSON's, collecting nodes and relationships on the way."""

    def __init__(self) -> None:
        self.nodes: dict[str, CypherNode] = {}
        self.edges: dict[str, CypherEdge] = {}

    def plain(self, value: Any) -> Any:
        match value:
            case Node():
                return self._node(value)
            case Relationship():
                return self._edge(value)
            case Path():
                return [self.plain(part) for part in _walk(value)]
            case list():
                return [self.plain(item) for item in value]
            case dict():
                return {name: self.plain(item) for name, item in value.items()}
        return plain(value)

    def _node(self, node: Node) -> dict[str, str]:
        if node.element_id not in self.nodes:
            self.nodes[node.element_id] = CypherNode(
                id=node.element_id, labels=sorted(node.labels), properties=self.plain(dict(node))
            )
        return {"node": node.element_id}

    def _edge(self, edge: Relationship) -> dict[str, str]:
        ends = [end for end in (edge.start_node, edge.end_node) if end is not None]
        if edge.element_id not in self.edges:
            self.edges[edge.element_id] = CypherEdge(
                id=edge.element_id,
                type=edge.type,
                source=ends[0].element_id,
                target=ends[-1].element_id,
                properties=self.plain(dict(edge)),
            )
        return {"edge": edge.element_id}


def _walk(path: Path) -> Iterator[Node | Relationship]:
    yield path.nodes[0]
    for edge, node in zip(path.relationships, path.nodes[1:], strict=True):
        yield from (edge, node)
