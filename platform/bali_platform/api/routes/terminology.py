"""Routes about codes, hierarchies, maps, value sets and what the graph is made of."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from bali_platform.api.asking import Desk, mapped, validated
from bali_platform.api.audit import audited
from bali_platform.api.backend import Backend, backend_of
from bali_platform.api.manners import StrictRoute
from bali_platform.api.models import INT64, Cui, Term, Terms
from bali_platform.api.models_terminology import (
    CodesRequest,
    ConceptsRequest,
    DetailsAnswer,
    ExpandRequest,
    ExpansionAnswer,
    HierarchyAnswer,
    HistoryAnswer,
    ManyConcepts,
    MapAnswer,
    MapRequest,
    RelationshipTypes,
    ResolvedAnswer,
    SavedValueSet,
    SavedValueSets,
    SaveRequest,
    SemanticTypeCount,
    SemanticTypes,
    SourcesAnswer,
    SubsumesAnswer,
    SubsumesRequest,
    ValidateRequest,
    ValidationAnswer,
)
from bali_platform.api.problems import documented
from bali_platform.api.routes.graph import Live, LiveDesk, LiveGraph
from bali_platform.terminology import Terminology
from bali_platform.terminology.codes import with_displays
from bali_platform.terminology.records import Hierarchy
from bali_platform.terminology.saved import SavedSet, SavedSets, SetUpdate

router = APIRouter(tags=["terminology"], route_class=StrictRoute)


class Direction(StrEnum):
    """Which codes around one."""

    ANCESTORS = "ancestors"
    DESCENDANTS = "descendants"
    SIBLINGS = "siblings"


Code = Annotated[Term, Query(description="A code as people write it.", examples=["MSH:D009203"])]
SourceName = Annotated[
    Term | None, Query(description="Its vocabulary: SAB, CURIE prefix, URI, FHIR system or OID.")
]


async def _kept(backend: Annotated[Backend, Depends(backend_of)]) -> SavedSets:
    return SavedSets(backend.settings.home)


Kept = Annotated[SavedSets, Depends(_kept)]
SetName = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="A value set's name.")
]
PageSize = Annotated[int, Query(ge=1, le=10_000, description="Results on a page.")]
Offset = Annotated[int, Query(ge=0, le=INT64 // 2, description="Results to pass over.")]


@router.post("/concepts", responses=documented())
def look_up_concepts(request: ConceptsRequest, graph: LiveGraph) -> ManyConcepts:
    """Return up to 10,000 concepts in full; retired CUIs have their successor's record."""
    found = graph.concepts(request.cuis)
    asked = dict.fromkeys(request.cuis)
    return ManyConcepts(
        graph_version=graph.version,
        nodes=list({found[cui].cui: found[cui] for cui in asked if cui in found}.values()),
        missing=[cui for cui in asked if cui not in found],
    )


@router.get("/codes", responses=documented())
async def resolve_codes(
    desk: LiveDesk, code: Annotated[Terms, Query(min_length=1)], source: SourceName = None
) -> ResolvedAnswer:
    """Return what codes stand for: the one, the choice, or near misses."""
    return await _resolved(desk, code, source)


@router.post("/codes", responses=documented())
async def look_up_codes(request: CodesRequest, desk: LiveDesk) -> ResolvedAnswer:
    """Return what up to 10,000 codes stand for."""
    return await _resolved(desk, request.codes, request.source)


@router.post("/codes/validate", responses=documented())
async def validate_codes(request: ValidateRequest, desk: LiveDesk) -> ValidationAnswer:
    """Tell of up to 10,000 codes whether each is one, and is called that."""
    asked = with_displays(request.codes, request.displays)
    found = await desk.each(validated, asked, request.source)
    return ValidationAnswer(graph_version=desk.version, codes=found)


@router.post("/codes/map", responses=documented())
async def map_codes(request: MapRequest, desk: LiveDesk) -> MapAnswer:
    """Map up to 10,000 codes to other vocabularies."""
    same = request.source, tuple(request.targets), request.rules, request.ancestors
    rows = await desk.each(mapped, request.codes, *same)
    return MapAnswer(graph_version=desk.version, rows=list(chain.from_iterable(rows)))


@router.get("/codes/subsumes", responses=documented("unknown-concept"))
async def compare_codes(
    desk: LiveDesk, a: Code, b: Code, source: SourceName = None
) -> SubsumesAnswer:
    """Tell how code A stands to code B in their vocabulary: above it, below it, or neither."""
    found = await desk.one(Terminology.compare_each, (a, b), source)
    return SubsumesAnswer(graph_version=desk.version, pairs=[found])


@router.post("/codes/subsumes", responses=documented("unknown-concept"))
async def compare_many_codes(request: SubsumesRequest, desk: LiveDesk) -> SubsumesAnswer:
    """Answer up to 10,000 pairs at once."""
    found = await desk.each(Terminology.compare_each, request.pairs, request.source)
    return SubsumesAnswer(graph_version=desk.version, pairs=found)


@router.get("/codes/{direction}", responses=documented("unknown-concept"))
def list_hierarchy(
    direction: Direction,
    terms: Live,
    code: Code,
    source: SourceName = None,
    depth: Annotated[int | None, Query(ge=1, le=1_000, description="Steps, at most.")] = None,
    limit: PageSize = 1_000,
    offset: Offset = 0,
) -> HierarchyAnswer:
    """Return the codes above, below or beside one, nearest first, in pages."""
    found = around(terms, direction.value, code, source, depth)
    return HierarchyAnswer(
        graph_version=terms.graph.version,
        code=found.code,
        source=found.source,
        basis=found.basis,
        total=len(found.members),
        members=found.members[offset : offset + limit],
        cycles=[list(way) for way in found.cycles],
    )


@router.post("/value-sets/expand", responses=documented("unknown-concept"))
def expand_value_set(request: ExpandRequest, terms: Live, sets: Kept) -> ExpansionAnswer:
    """Write out a value set, in pages."""
    found = terms.expand(request.expression, limit=request.limit, skip=request.offset, saved=sets)
    return ExpansionAnswer(
        graph_version=found.graph_version,
        expression=found.expression,
        release=found.release,
        total=found.total,
        members=found.members,
        cycles=[list(way) for way in found.cycles],
    )


@router.get("/value-sets", responses=documented())
def list_value_sets(sets: Kept) -> SavedValueSets:
    """Return the value sets that this installation keeps."""
    return SavedValueSets(value_sets=dict(sets))


@router.get("/value-sets/{name}", responses=documented("unknown-concept"))
def show_value_set(
    name: SetName, sets: Kept, limit: PageSize = 1_000, offset: Offset = 0
) -> SavedValueSet:
    """Return a saved value set, with its codes on the release that it was expanded on."""
    return _saved_answer(sets.read(name), limit, offset)


@router.put("/value-sets/{name}", responses=documented("unknown-concept"))
def save_value_set(name: SetName, request: SaveRequest, terms: Live, sets: Kept) -> SavedValueSet:
    """Keep a value set under a name, with its codes on the live release."""
    with audited("save a value set", name=name, expression=request.expression):
        found = terms.expand(request.expression, saved=sets)
        return _saved_answer(sets.save(name, found), 0)


@router.delete("/value-sets/{name}", status_code=204, responses=documented("unknown-concept"))
def remove_value_set(name: SetName, sets: Kept) -> None:
    """Forget a value set."""
    with audited("remove a value set", name=name):
        sets.remove(name)


@router.get("/value-sets/{name}/changes", responses=documented("unknown-concept"))
def check_value_set(name: SetName, terms: Live, sets: Kept) -> SetUpdate:
    """Tell what the live release adds to a saved value set, removes and renames."""
    return sets.update(name, terms, keep=False)


@router.post("/value-sets/{name}/update", responses=documented("unknown-concept"))
def update_value_set(name: SetName, terms: Live, sets: Kept) -> SetUpdate:
    """Expand a saved value set on the live release, keep that, and tell what changed."""
    with audited("update a value set", name=name):
        return sets.update(name, terms, keep=True)


@router.get("/sources", responses=documented())
def list_sources(terms: Live) -> SourcesAnswer:
    """Return the vocabularies of the graph: versions, counts, and their other names."""
    return SourcesAnswer(graph_version=terms.graph.version, sources=list(terms.sources.values()))


@router.get("/semantic-types", responses=documented())
def list_semantic_types(terms: Live) -> SemanticTypes:
    """Return the semantic types, with their groups and numbers of concepts."""
    types = [SemanticTypeCount(**row) for row in terms.semantic_types()]
    return SemanticTypes(graph_version=terms.graph.version, semantic_types=types)


@router.get("/relationship-types", responses=documented())
def list_relationship_types(graph: LiveGraph) -> RelationshipTypes:
    """Return the relationship types between concepts, with their numbers of edges."""
    return RelationshipTypes(
        graph_version=graph.version, relationship_types=graph.count_relations()
    )


@router.get("/concepts/{cui:path}/codes", responses=documented("unknown-concept"))
def show_details(cui: Cui, terms: Live) -> DetailsAnswer:
    """Return a concept's terms with their codes, its definitions and its places in hierarchies."""
    return DetailsAnswer(graph_version=terms.graph.version, details=terms.show(cui))


@router.get("/concepts/{cui:path}/history", responses=documented("unknown-concept"))
def show_history(cui: Cui, terms: Live) -> HistoryAnswer:
    """Return what became of a CUI: live, merged into which, or deleted, and since when."""
    found = terms.history(cui)
    return HistoryAnswer(graph_version=terms.graph.version, history=found, told=found.told)


def _saved_answer(found: SavedSet, limit: int, offset: int = 0) -> SavedValueSet:
    return SavedValueSet(
        name=found.name,
        expression=found.expression,
        release=found.release,
        graph_version=found.graph_version,
        total=len(found.members),
        members=found.members[offset : offset + limit],
    )


def around(
    terms: Terminology, direction: str, code: str, source: str | None, depth: int | None
) -> Hierarchy:
    """Return the codes above, below or beside one."""
    if direction == "siblings":
        return terms.siblings(code, source)
    walk = terms.ancestors if direction == "ancestors" else terms.descendants
    return walk(code, source, depth=depth)


async def _resolved(desk: Desk, codes: Sequence[str], source: str | None) -> ResolvedAnswer:
    found = await desk.each(Terminology.resolve, codes, source)
    return ResolvedAnswer(graph_version=desk.version, codes=found)
