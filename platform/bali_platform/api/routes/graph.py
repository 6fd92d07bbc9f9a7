"""Routes that read the graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from starlette.datastructures import URL

from bali_platform.api.answers import TAG, entity_tag
from bali_platform.api.asking import Desk
from bali_platform.api.backend import Backend, backend_of
from bali_platform.api.coalescing import CoalescingGraph
from bali_platform.api.manners import StrictRoute
from bali_platform.api.models import (
    INT64,
    Concepts,
    Cui,
    CuiText,
    Found,
    Groups,
    Neighbours,
    Paths,
    Relations,
    Sources,
    SubgraphAnswer,
    SubgraphRequest,
    Terms,
)
from bali_platform.api.problems import ProblemError, documented
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.graph import Graph, Link, Node
from bali_platform.subgraphs.exploration import explore, hierarchy, induced, of_paths
from bali_platform.subgraphs.subgraph import Subgraph
from bali_platform.terminology import Terminology

MAX_FOUND = 1_000
router = APIRouter(tags=["graph"], route_class=StrictRoute)
ids = APIRouter(tags=["graph"], route_class=StrictRoute)
"""The route that an id with a slash in it might take from others: it must be the last."""


async def _live_graph(request: Request) -> CoalescingGraph:
    return (await _tagged(request)).graph


async def _live_terms(request: Request) -> Terminology:
    return (await _tagged(request)).terms


async def _live_desk(request: Request) -> Desk:
    return (await _tagged(request)).desk


async def _tagged(request: Request) -> Backend:
    backend = await backend_of(request)  # called, for FastAPI takes long over each dependency
    request.scope[TAG] = entity_tag(backend.graph.version)
    return backend


LiveGraph = Annotated[CoalescingGraph, Depends(_live_graph)]
Live = Annotated[Terminology, Depends(_live_terms)]
LiveDesk = Annotated[Desk, Depends(_live_desk)]
Limit = Annotated[int, Query(ge=1, le=500, description="Results on a page.")]
Offset = Annotated[int, Query(ge=0, le=INT64 // 2, description="Results to pass over.")]
Outgoing = Annotated[
    bool | None, Query(description="Only edges that point away from the concept, or towards it.")
]


@router.get("/concepts", responses=documented())
def search_concepts(
    request: Request,
    terms: Live,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=200,
            description="Words of a name (the last may be unfinished), a CUI, or a code as people "
            "write it.",
            examples=["heart attack"],
        ),
    ],
    types: Annotated[
        Terms | None, Query(alias="type", description="Semantic types, by name.")
    ] = None,
    groups: Annotated[Terms | None, Query(alias="group", description="Semantic groups.")] = None,
    sources: Annotated[Terms | None, Query(alias="source", description="Vocabularies.")] = None,
    languages: Annotated[Terms | None, Query(alias="language", description="As in ENG.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    offset: Annotated[int, Query(ge=0, le=MAX_FOUND - 100)] = 0,
) -> Found:
    """Find concepts, best first; at most 1,000 for a search."""
    found = terms.find(
        q, offset + limit + 1,
        types=types or (), groups=groups or (), sources=sources or (), languages=languages or (),
    )  # fmt: skip
    hits = found.hits
    more = len(hits) > offset + limit and offset + limit <= MAX_FOUND - 100
    return Found(
        graph_version=terms.graph.version,
        nodes=hits[offset : offset + limit],
        tried=list(found.tried),
        next=_next(request, offset + limit) if more else None,
    )


@router.get("/concepts/{cui:path}/neighbours", responses=documented("unknown-concept"))
def list_neighbours(
    request: Request,
    cui: Cui,
    graph: LiveGraph,
    types: Relations = None,
    sources: Sources = None,
    groups: Groups = None,
    outgoing: Outgoing = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Neighbours:
    """Page through all edges of a concept, by type, direction and neighbour."""
    with _looking_up():
        concept = graph.concept(cui)
        found = graph.neighbours(
            concept.cui,
            types=types,
            sources=sources,
            groups=groups,
            outgoing=outgoing,
            limit=limit + 1,
            skip=offset,
        )
    page = found[:limit]
    nodes = {concept.cui: Node(concept.cui, concept.name, concept.semantic_types, concept.groups)}
    for n in page:
        nodes.setdefault(n.cui, Node(n.cui, n.name, n.semantic_types, n.groups, hop=1))
    ends = ((concept.cui, n.cui) if n.outgoing else (n.cui, concept.cui) for n in page)
    return Neighbours(
        graph_version=graph.version,
        nodes=list(nodes.values()),
        edges=[Link(*pair, n.type, n.sources) for pair, n in zip(ends, page, strict=True)],
        next=_next(request, offset + limit) if len(found) > limit else None,
    )


@router.get("/concepts/{cui:path}/hierarchy", responses=documented("unknown-concept"))
def show_hierarchy(
    cui: Cui,
    graph: LiveGraph,
    descendants: Annotated[bool, Query(description="What is below, not what is above.")] = False,
    depth: Annotated[int, Query(ge=1, le=6)] = 3,
    types: Relations = None,
) -> SubgraphAnswer:
    """Return the ancestors of a concept, or its descendants, with their distance as `hop`."""
    with _looking_up():
        return subgraph_answer(
            hierarchy(graph, cui, descendants=descendants, depth=depth, types=types)
        )


@router.get("/subgraphs", responses=documented("unknown-concept", "too-slow"))
def get_subgraph(
    graph: LiveGraph,
    cui: Annotated[list[CuiText], Query(min_length=1, max_length=100, examples=[["C0027051"]])],
    hops: Annotated[int, Query(ge=0, le=3)] = 1,
    fanout: Annotated[int, Query(ge=1, le=256)] = 16,
    types: Relations = None,
    sources: Sources = None,
    groups: Groups = None,
    outgoing: Outgoing = None,
    seed: Annotated[int, Query(ge=0, lt=INT64)] = 0,
) -> SubgraphAnswer:
    """Return what surrounds some concepts; as `POST /subgraphs`, for few of them."""
    filters = {"types": types, "sources": sources, "groups": groups, "outgoing": outgoing}
    return _explore(graph, cui, hops, fanout=fanout, seed=seed, **filters)


@router.post("/subgraphs", responses=documented("unknown-concept", "too-slow"))
def post_subgraph(request: SubgraphRequest, graph: LiveGraph) -> SubgraphAnswer:
    """Return what surrounds thousands of concepts, drawn uniformly where there is more.

    The draw depends on the graph version, the concept and the seed alone.
    """
    options = request.model_dump(exclude={"cuis", "hops"})
    return _explore(graph, request.cuis, request.hops, **options)


@router.get("/paths", responses=documented("unknown-concept", "too-slow"))
def find_paths(
    graph: LiveGraph,
    source: Annotated[CuiText, Query(description="CUI to start from.", examples=["C0004057"])],
    target: Annotated[CuiText, Query(description="CUI to reach.", examples=["C0027051"])],
    types: Relations = None,
    max_length: Annotated[int, Query(ge=1, le=8, description="Edges, at most.")] = 6,
    every: Annotated[bool, Query(description="All shortest paths, not just one.")] = False,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
) -> Paths:
    """Find shortest paths between two concepts, along edges in either direction."""
    with _looking_up():
        found = graph.paths(
            source, target, types=types, max_length=max_length, every=every, limit=limit
        )
    union = of_paths(graph, found)
    return Paths(
        graph_version=graph.version,
        nodes=list(union.nodes),
        edges=list(union.edges),
        paths=[[node.cui for node in path.nodes] for path in found],
    )


@ids.get("/concepts/{cui:path}", responses=documented("unknown-concept"))
def show_concept(cui: Cui, graph: LiveGraph) -> Concepts:
    """Return a concept with its names, definition, semantic types and sources."""
    with _looking_up():
        return Concepts(graph_version=graph.version, nodes=[graph.concept(cui)])


def subgraph_answer(found: Subgraph) -> SubgraphAnswer:
    """Return what is said of a subgraph; raises :class:`ProblemError` for an empty one."""
    if not found.nodes:
        shown = ", ".join(found.missing[:5])
        raise ProblemError("unknown-concept", f"the graph has none of {shown}")
    return SubgraphAnswer(
        graph_version=found.graph_version,
        nodes=list(found.nodes),
        edges=list(found.edges),
        missing=list(found.missing),
    )


def _explore(graph: Graph, cuis: list[str], hops: int, **options: Any) -> SubgraphAnswer:
    with _looking_up():
        if hops:
            return subgraph_answer(explore(graph, cuis, hops=hops, **options))
        return subgraph_answer(induced(graph, cuis))


@contextmanager
def _looking_up() -> Iterator[None]:
    """Take an error that no failure of Neo4j has caused for what it is: an unknown CUI."""
    try:
        yield
    except UsageError:
        raise
    except BaliError as error:
        if error.__cause__ is not None:
            raise
        raise ProblemError("unknown-concept", str(error)) from error


def _next(request: Request, offset: int) -> str:
    url = URL(scope=request.scope).include_query_params(offset=offset)
    return f"{url.path}?{url.query}"
