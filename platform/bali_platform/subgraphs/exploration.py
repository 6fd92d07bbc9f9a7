"""Subgraphs for people: several hops, filtered, from any concepts; hierarchies; induced subgraphs.

Sampling is uniform, and depends on the graph version, the concept and the seed alone. Where a hub's
stored sample holds enough edges that pass the filters, nothing else of the hub is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nsmallest
from typing import Any

from bali_platform.errors import BaliError, UsageError, did_you_mean
from bali_platform.graph.client import Graph
from bali_platform.graph.records import Link, Node, Path
from bali_platform.graph.semantic_groups import SEMANTIC_GROUPS
from bali_platform.subgraphs.neighbourhood import MAX_EDGES
from bali_platform.subgraphs.subgraph import Subgraph

__all__ = ["HIERARCHICAL", "MAX_HOPS", "MAX_NODES", "explore", "hierarchy", "induced", "of_paths"]

HIERARCHICAL = ("ISA", "CHD")
"""Relationship types that point from a concept to its parents."""

MAX_HOPS = 6
MAX_NODES = 20_000
"""Concepts that one subgraph may hold; beyond it a request is refused, not cut short."""

_LABELS = tuple(group.label for group in SEMANTIC_GROUPS)


def explore(
    graph: Graph,
    cuis: Iterable[str],
    *,
    hops: int = 1,
    fanout: int | Sequence[int] = 16,
    types: Collection[str] | None = None,
    sources: Collection[str] | None = None,
    groups: Collection[str] | None = None,
    outgoing: bool | None = None,
    seed: int = 0,
) -> Subgraph:
    """Return what surrounds ``cuis``, at most ``fanout`` edges drawn at each concept and hop.

    Args:
        graph: The graph to read.
        cuis: Where to start. Retired ones are followed; unknown ones are named in ``missing``.
        hops: How far to go, 1 to ``MAX_HOPS``.
        fanout: Edges drawn at each concept: one number, or one for each hop.
        types: Relationship types to follow; None for all, as in the filters below.
        sources: Vocabularies (SABs), any of which must assert an edge.
        groups: Labels of semantic groups, to one of which a neighbour must belong.
        outgoing: Follow edges that point away from where one stands (True), to it, or both (None).
        seed: Another seed draws other edges.

    Raises:
        UsageError: a limit, type or group is not a possible one, or the subgraph is too large.
    """
    fanouts = _fanouts(hops, fanout)
    filters = _Filters(
        types=graph.check_types(types),
        sources=None if sources is None else list(sources),
        groups=_check_groups(groups),
        outgoing=outgoing,
    )
    return _grow(graph, list(cuis), fanouts, filters, seed)


def hierarchy(
    graph: Graph,
    cui: str,
    *,
    descendants: bool = False,
    depth: int = MAX_HOPS,
    types: Collection[str] | None = None,
) -> Subgraph:
    """Return all ancestors of a concept, or its descendants, with their distance as ``hop``.

    ``types`` are relationship types that point from child to parent; by default those of
    ``HIERARCHICAL`` that the graph has.
    """
    if types is None:
        types = [name for name in HIERARCHICAL if name in graph.relation_types]
    filters = _Filters(types=graph.check_types(types), outgoing=not descendants)
    return _grow(graph, [cui], [None] * _check_hops(depth), filters, seed=0)


def induced(graph: Graph, cuis: Iterable[str]) -> Subgraph:
    """Return every edge among the given concepts, which are all at hop 0."""
    asked = list(dict.fromkeys(cuis))
    live = graph.resolve(asked)
    members = _check_size(dict.fromkeys(live.values(), 0))
    rows = graph.query("induced", cuis=list(members))
    links = {Link(**(row | {"sources": tuple(row["sources"] or ())})) for row in rows}
    return _subgraph(graph, members, links, [cui for cui in asked if cui not in live])


def of_paths(graph: Graph, paths: Iterable[Path]) -> Subgraph:
    """Return the union of paths, each concept's ``hop`` its least distance from a path's start."""
    hops: dict[str, int] = {}
    links: set[Link] = set()
    for path in paths:
        for hop, node in enumerate(path.nodes):
            hops[node.cui] = min(hop, hops.get(node.cui, hop))
        links.update(path.links)
    return _subgraph(graph, hops, links, ())


@dataclass(frozen=True)
class _Filters:
    types: list[str] | None = None
    sources: list[str] | None = None
    groups: list[str] | None = None
    outgoing: bool | None = None


def _grow(
    graph: Graph,
    asked: list[str],
    fanouts: Sequence[int | None],
    filters: _Filters,
    seed: int,
) -> Subgraph:
    live = graph.resolve(asked)
    if not live:
        raise BaliError(f"none of these is in the graph: {', '.join(asked[:5]) or 'no CUI given'}")
    hops = _check_size(dict.fromkeys(live.values(), 0))
    links: set[Link] = set()
    for hop, fanout in enumerate(fanouts, start=1):
        frontier = [cui for cui, at in hops.items() if at == hop - 1]
        for cui, edges in _expand(graph, frontier, fanout, filters).items():
            for neighbour, kind, outgoing, sabs in _draw(edges, fanout, graph.version, cui, seed):
                source, target = (cui, neighbour) if outgoing else (neighbour, cui)
                links.add(Link(source, target, kind, tuple(sabs or ())))
                hops.setdefault(neighbour, hop)
        _check_size(hops)
    return _subgraph(graph, hops, links, [cui for cui in asked if cui not in live])


def _expand(
    graph: Graph, cuis: list[str], fanout: int | None, filters: _Filters
) -> dict[str, list[Any]]:
    """Return the filtered edges to draw from; all of a hub's only where its sample is too small."""
    whole = cuis if fanout is None or fanout > MAX_EDGES else []
    rows = graph.query("expand", cuis=cuis, whole=whole, **vars(filters))
    edges = {row["cui"]: row["edges"] for row in rows}
    enough = min(fanout or 0, MAX_EDGES)
    short = [row["cui"] for row in rows if row["sampled"] and len(row["edges"]) < enough]
    if short:
        rows = graph.query("expand", cuis=short, whole=short, **vars(filters))
        edges |= {row["cui"]: row["edges"] for row in rows}
    return edges


def _draw(
    edges: list[Any], fanout: int | None, graph_version: str, cui: str, seed: int
) -> list[Any]:
    if fanout is None or len(edges) <= fanout:
        return edges

    def rank(edge: list[Any]) -> bytes:
        neighbour, kind, outgoing, _ = edge
        text = f"{graph_version}|{cui}|{seed}|{outgoing:d}{kind}|{neighbour}"
        return blake2b(text.encode(), digest_size=8).digest()

    return nsmallest(fanout, edges, key=rank)


def _subgraph(
    graph: Graph, hops: dict[str, int], links: Iterable[Link], missing: Iterable[str]
) -> Subgraph:
    nodes = [
        Node(
            row["cui"],
            row["name"],
            tuple(row["semantic_types"] or ()),
            tuple(row["groups"]),
            hops[row["cui"]],
        )
        for row in graph.query("nodes", cuis=list(hops))
    ]
    return Subgraph(
        tuple(sorted(nodes, key=lambda node: (node.hop, node.cui))),
        tuple(sorted(links, key=lambda link: (link.source, link.type, link.target))),
        tuple(missing),
        graph.version,
    )


def _fanouts(hops: int, fanout: int | Sequence[int]) -> list[int]:
    _check_hops(hops)
    fanouts = [fanout] * hops if isinstance(fanout, int) else list(fanout)
    if len(fanouts) != hops:
        raise UsageError(f"{hops} hops need {hops} fan-outs (or one for all), not {len(fanouts)}")
    if min(fanouts) < 1 or max(fanouts) > MAX_NODES:
        raise UsageError(f"a fan-out must be 1 to {MAX_NODES} edges")
    return fanouts


def _check_hops(hops: int) -> int:
    if not 1 <= hops <= MAX_HOPS:
        raise UsageError(f"a subgraph has 1 to {MAX_HOPS} hops, not {hops}")
    return hops


def _check_size(hops: dict[str, int]) -> dict[str, int]:
    if len(hops) > MAX_NODES:
        raise UsageError(
            f"more than {MAX_NODES} concepts: take fewer hops, a smaller fan-out, or a filter"
        )
    return hops


def _check_groups(groups: Collection[str] | None) -> list[str] | None:
    for group in groups or ():
        if group not in _LABELS:
            raise UsageError(f"no semantic group '{group}'{did_you_mean(group, _LABELS)}")
    return None if groups is None else list(groups)
