"""The graph: driver client, schema, statements and concept look-ups."""

from bali_platform.graph.client import Graph
from bali_platform.graph.records import (
    Concept,
    Link,
    Neighbour,
    Node,
    Path,
    Records,
    SearchHit,
)

__all__ = ["Concept", "Graph", "Link", "Neighbour", "Node", "Path", "Records", "SearchHit"]
