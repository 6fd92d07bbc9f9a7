"""Subgraphs for people: several hops, filtered, from any concepts; hierarchies; induced subgraphs.

Sampling is uniform, and depends on the graph version, the concept and the seed alone. Where a hub's
stored sample holds enough edges that pass the filters, nothing else of the hub is read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import nsmallest
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from bali_platform.base.errors import BaliError, UsageError, did_you_mean
from bali_platform.graph.client import Graph
from bali_platform.graph.records import Link, Node, Path
from bali_platform.graph.semantic_groups import SEMANTIC_GROUPS
from bali_platform.subgraphs.collector import collector_paused
from bali_platform.subgraphs.neighbourhood import MAX_EDGES
from bali_platform.subgraphs.subgraph import Subgraph

T = TypeVar("T")

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


class OneHop(NamedTuple):
    """A question to :func:`explore_each`; ``fanout`` is at most ``MAX_EDGES``."""

    cuis: Sequence[str]
    fanout: int = 16
    seed: int = 0


def explore_each(graph: Graph, questions: Sequence[OneHop]) -> list[Subgraph]:
    """Answer many people's questions in one round trip, each as :func:`explore` would.

    Where the graph knows none of a question's CUIs, its subgraph is empty.
    """
    asked = (cui for question in questions for cui in question.cuis)
    stars = _stars(graph, asked, _Filters(), whole=False)
    return [_answer(question, stars, graph.version) for question in questions]


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
    return _described(graph, members, links, [cui for cui in asked if cui not in live])


def of_paths(graph: Graph, paths: Iterable[Path]) -> Subgraph:
    """Return the union of paths, each concept's ``hop`` its least distance from a path's start."""
    hops: dict[str, int] = {}
    links: set[Link] = set()
    for path in paths:
        for hop, node in enumerate(path.nodes):
            hops[node.cui] = min(hop, hops.get(node.cui, hop))
        links.update(path.links)
    return _described(graph, hops, links, ())


@dataclass(frozen=True)
class _Filters:
    types: list[str] | None = None
    sources: list[str] | None = None
    groups: list[str] | None = None
    outgoing: bool | None = None


class _Ray(NamedTuple):
    """An edge as ``expand`` returns it, and what a picture shows of the neighbour."""

    cui: str
    type: str
    outgoing: bool
    sources: list[str] | None
    name: str
    semantic_types: list[str] | None
    groups: list[str]


class _Star(NamedTuple):
    """A live concept as ``expand`` returns it, and the edges to draw from."""

    asked: str
    cui: str
    name: str
    semantic_types: list[str] | None
    groups: list[str]
    sampled: bool
    rays: list[list[Any]]


class _Growth:
    """A subgraph as it grows from hop to hop."""

    def __init__(self, graph_version: str, seed: int) -> None:
        self._version, self._seed = graph_version, seed
        self._nodes: dict[str, Node] = {}
        self._links: set[Link] = set()

    def start(self, stars: Iterable[_Star]) -> None:
        for star in stars:
            self._reach(star, 0)

    def add(self, stars: Iterable[_Star], fanout: int | None, hop: int) -> None:
        for star in stars:
            for ray in map(_Ray._make, self._draw(star, fanout)):
                ends = (star.cui, ray.cui) if ray.outgoing else (ray.cui, star.cui)
                self._links.add(Link(*ends, ray.type, tuple(ray.sources or ())))
                if ray.cui not in self._nodes:
                    self._reach(ray, hop)

    def frontier(self, hop: int) -> list[str]:
        """Return the concepts first reached at ``hop``."""
        return [node.cui for node in self._nodes.values() if node.hop == hop]

    def subgraph(self, missing: Iterable[str]) -> Subgraph:
        return _subgraph(self._nodes.values(), self._links, missing, self._version)

    def _reach(self, found: _Star | _Ray, hop: int) -> None:
        types, groups = tuple(found.semantic_types or ()), tuple(found.groups)
        self._nodes[found.cui] = Node(found.cui, found.name, types, groups, hop)
        _check_size(self._nodes)

    def _draw(self, star: _Star, fanout: int | None) -> list[list[Any]]:
        if fanout is None or len(star.rays) <= fanout:
            return star.rays
        prefix = f"{self._version}|{star.cui}|{self._seed}|"

        def rank(ray: list[Any]) -> bytes:
            neighbour, kind, outgoing = ray[:3]
            text = f"{prefix}{outgoing:d}{kind}|{neighbour}"
            return blake2b(text.encode(), digest_size=8).digest()

        return nsmallest(fanout, star.rays, key=rank)


def _answer(question: OneHop, known: Mapping[str, _Star], version: str) -> Subgraph:
    growth = _Growth(version, question.seed)
    stars = [known[cui] for cui in dict.fromkeys(question.cuis) if cui in known]
    growth.start(stars)
    growth.add(stars, question.fanout, hop=1)
    return growth.subgraph(cui for cui in question.cuis if cui not in known)


def _grow(
    graph: Graph,
    asked: list[str],
    fanouts: Sequence[int | None],
    filters: _Filters,
    seed: int,
) -> Subgraph:
    first = _expand(graph, asked, fanouts[0], filters)
    if not first:
        raise BaliError(f"none of these is in the graph: {', '.join(asked[:5]) or 'no CUI given'}")
    growth = _Growth(graph.version, seed)
    growth.start(first.values())
    growth.add(first.values(), fanouts[0], hop=1)
    for hop, fanout in enumerate(fanouts[1:], start=2):
        growth.add(_expand(graph, growth.frontier(hop - 1), fanout, filters).values(), fanout, hop)
    return growth.subgraph(cui for cui in asked if cui not in first)


def _expand(
    graph: Graph, cuis: Iterable[str], fanout: int | None, filters: _Filters
) -> dict[str, _Star]:
    """Return stars by the CUI asked for, a hub's whole only where its sample is too small."""
    stars = _stars(graph, cuis, filters, whole=fanout is None or fanout > MAX_EDGES)
    enough = min(fanout or 0, MAX_EDGES)
    if short := [s.asked for s in stars.values() if s.sampled and len(s.rays) < enough]:
        stars |= _stars(graph, short, filters, whole=True)
    return stars


def _stars(
    graph: Graph, cuis: Iterable[str], filters: _Filters, *, whole: bool
) -> dict[str, _Star]:
    distinct = list(dict.fromkeys(cuis))
    with collector_paused():
        stars = graph.map("expand", _Star, distinct, whole=whole, **vars(filters))
    return {star.asked: star for star in stars}


def _subgraph(
    nodes: Iterable[Node], links: Iterable[Link], missing: Iterable[str], version: str
) -> Subgraph:
    return Subgraph(
        tuple(sorted(nodes, key=attrgetter("hop", "cui"))),
        tuple(sorted(links, key=attrgetter("source", "type", "target"))),
        tuple(missing),
        version,
    )


def _described(
    graph: Graph, hops: dict[str, int], links: Iterable[Link], missing: Iterable[str]
) -> Subgraph:
    """Return the subgraph of concepts of which only the distances are known."""
    nodes = (
        Node(
            row["cui"],
            row["name"],
            tuple(row["semantic_types"] or ()),
            tuple(row["groups"]),
            hops[row["cui"]],
        )
        for row in graph.query("nodes", cuis=list(hops))
    )
    return _subgraph(nodes, links, missing, graph.version)


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


def _check_size(members: dict[str, T]) -> dict[str, T]:
    if len(members) > MAX_NODES:
        raise UsageError(
            f"more than {MAX_NODES} concepts: take fewer hops, a smaller fan-out, or a filter"
        )
    return members


def _check_groups(groups: Collection[str] | None) -> list[str] | None:
    for group in groups or ():
        if group not in _LABELS:
            raise UsageError(f"no semantic group '{group}'{did_you_mean(group, _LABELS)}")
    return None if groups is None else list(groups)
