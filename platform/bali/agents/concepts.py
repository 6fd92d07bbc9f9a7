"""Tools about concepts: search, everything about one, what is around it, what lies between two."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bali.agents.answers import Table
from bali.agents.desk import Desk, Limit, Skip, What, Words
from bali_platform.graph.records import Path

Direction = Literal["out", "in", "both"]
_OUTGOING = {"out": True, "in": False, "both": None}


def find_concepts(
    desk: Desk,
    text: Annotated[str, Field(min_length=1, max_length=200, description="Words, CUI or code.")],
    types: Annotated[Words, Field(description="Semantic types, names or TUIs.")] = (),
    groups: Annotated[Words, Field(description="Semantic groups, such as Disorder.")] = (),
    sources: Annotated[Words, Field(description="Vocabularies.")] = (),
    limit: Limit = 10,
) -> Table:
    """Find concepts by words of any of their names, by CUI or by code; best first.

    Words may be misspelt, the last one unfinished. Start here to get a CUI.
    """
    found = desk.terms.find(text, limit, types=types, groups=groups, sources=sources)
    return Table(
        f"{len(found.hits)} concepts found",
        ("cui", "name", "matched", "semantic_types"),
        [(hit.cui, hit.name, hit.matched, hit.semantic_types) for hit in found.hits],
        less="give more words, types, groups or sources",
        notes=() if found.hits else [f"tried: {'; '.join(found.tried)}"],
    )


def show_concept(desk: Desk, what: What) -> Table:
    """Show a concept: names, semantic types, best definition, vocabularies, places in hierarchies.

    A retired CUI answers with its successor and says so.
    """
    shown = desk.terms.show(what)
    concept = shown.concept
    rows: list[tuple[str, object, object]] = [
        ("cui", concept.cui, ""),
        ("name", concept.name, ""),
        *(("semantic type", f"{one.tui} {one.name}", one.group) for one in shown.semantic_types),
        *(("definition", one.text, one.source) for one in shown.definitions[:1]),
        *(("other name", name, "") for name in concept.names[1:21]),
        *(
            (f"code, with {place.children} children", f"{place.source}:{place.code}", place.parents)
            for place in shown.positions[:20]
        ),
        ("vocabularies", concept.sources, ""),
    ]
    return Table(
        f"Concept {concept.cui}",
        ("field", "value", "source_or_parents"),
        rows,
        less="list_codes and list_definitions tell the rest apart",
        notes=[shown.note] if shown.note else [],
    )


def list_codes(
    desk: Desk,
    what: What,
    sources: Annotated[Words, Field(description="Only these vocabularies.")] = (),
    limit: Limit = 50,
    skip: Skip = 0,
) -> Table:
    """List a concept's terms with vocabulary, code, term type, language and suppression."""
    cui = desk.cui(what)
    atoms = desk.terms.codes(cui, sources)
    return Table(
        f"{len(atoms)} terms of {cui}",
        ("source", "code", "term_type", "term", "language", "suppressed"),
        [
            (atom.source, atom.code, atom.term_type, atom.term, atom.language, atom.suppressed)
            for atom in atoms[skip : skip + limit]
        ],
        total=len(atoms),
        skip=skip,
        less="name sources, or go on with skip={skip}",
    )


def list_definitions(desk: Desk, what: What) -> Table:
    """List all definitions of a concept, each with the vocabulary that gives it."""
    shown = desk.terms.show(what)
    return Table(
        f"{len(shown.definitions)} definitions of {shown.concept.cui}",
        ("source", "definition"),
        [(one.source, one.text) for one in shown.definitions],
        total=len(shown.definitions),
        notes=[shown.note] if shown.note else [],
    )


def show_history(desk: Desk, cui: Annotated[str, Field(min_length=1, max_length=40)]) -> Table:
    """Tell what became of a CUI: live, merged, deleted, and its successors."""
    found = desk.terms.history(cui)
    return Table(
        f"{found.cui} is {found.status}",
        ("successor", "name", "relation"),
        [(one.cui, one.name, one.rel) for one in found.successors],
    )


def list_neighbours(
    desk: Desk,
    what: What,
    types: Annotated[
        tuple[str, ...] | None, Field(max_length=50, description="Relationship types.")
    ] = None,
    sources: Annotated[
        tuple[str, ...] | None, Field(max_length=50, description="Vocabularies.")
    ] = None,
    groups: Annotated[
        tuple[str, ...] | None, Field(max_length=50, description="Semantic groups.")
    ] = None,
    direction: Direction = "both",
    limit: Limit = 30,
    skip: Skip = 0,
) -> Table:
    """List what a concept is related to: relationship, neighbour, and who asserts it.

    `->` points from the concept to the neighbour. Narrow by relationship types (show_schema).
    """
    cui = desk.cui(what)
    found = desk.graph.neighbours(
        cui, types=types, sources=sources, groups=groups, outgoing=_OUTGOING[direction],
        limit=limit + 1, skip=skip,
    )  # fmt: skip
    more = len(found) > limit
    return Table(
        f"Relations of {cui}",
        ("relation", "cui", "name", "asserted_by"),
        [
            (f"{one.type}->" if one.outgoing else f"<-{one.type}", one.cui, one.name, one.sources)
            for one in found[:limit]
        ],
        skip=skip,
        less="name types, groups or sources, or go on with skip={skip}",
        notes=[f"there are more: go on with skip={skip + limit}, or narrow"] if more else [],
    )


def find_paths(
    desk: Desk,
    a: What,
    b: What,
    max_length: Annotated[int, Field(ge=1, le=8, description="Edges at most.")] = 4,
    limit: Annotated[int, Field(ge=1, le=50)] = 5,
) -> Table:
    """Find shortest paths between two concepts over relationships in either direction."""
    found = desk.graph.paths(
        desk.cui(a), desk.cui(b), max_length=max_length, every=True, limit=limit
    )
    rows = [step for number, path in enumerate(found, 1) for step in _steps(number, path)]
    return Table(
        f"{len(found)} shortest paths",
        ("path", "from", "from_name", "relation", "to", "to_name", "asserted_by"),
        rows,
        less="ask for fewer paths with limit",
        notes=[] if found else [f"there is none of at most {max_length} edges"],
    )


def _steps(number: int, path: Path) -> list[tuple[object, ...]]:
    pairs = zip(path.nodes, path.links, path.nodes[1:], strict=False)
    return [
        (
            number, one.cui, one.name,
            f"{link.type}->" if link.target == other.cui else f"<-{link.type}",
            other.cui, other.name, link.sources,
        )
        for one, link, other in pairs
    ]  # fmt: skip
