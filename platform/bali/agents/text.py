"""Tools about text: what it mentions, what is like it, facts that answer a question."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bali.agents.answers import Table
from bali.agents.desk import Desk
from bali.retrieval import retrieve
from bali_platform.base.errors import BaliError
from bali_platform.graph.vectors import Vectors

Text = Annotated[str, Field(min_length=1, max_length=20_000)]
NEAREST = 3


def link_text(desk: Desk, text: Text) -> Table:
    """Find the concepts that a text mentions by name: where, what, and every concept of that name.

    Best first where the graph has vectors. Names that are not in the graph are not found: try
    find_similar for those.
    """
    spans = desk.finder.find(text)
    asked = [(text[start:end], cuis) for (start, end), cuis in spans.items()]
    notes: list[str] = []
    try:
        ranked = [
            [one.cui for one in some if one.named][:NEAREST]
            for some in (desk.model.link(asked, NEAREST) if asked else ())
        ]
    except BaliError as error:
        ranked = [cuis[:NEAREST] for _, cuis in asked]
        notes = [f"concepts of one name are in no order: {error}"]
    names = desk.graph.concepts([cui for cuis in ranked for cui in cuis])
    rows = [
        (start, end, text[start:end], cui, names[cui].name, names[cui].semantic_types)
        for (start, end), cuis in zip(spans, ranked, strict=True)
        for cui in cuis
        if cui in names
    ]
    return Table(
        f"{len(spans)} mentions",
        ("start", "end", "mention", "cui", "name", "semantic_types"),
        rows,
        total=len(rows),
        less="send a shorter text",
        notes=notes,
    )


def find_similar(
    desk: Desk,
    what: Annotated[str, Field(min_length=1, max_length=2_000, description="A CUI, or any text.")],
    limit: Annotated[int, Field(ge=1, le=100)] = 10,
) -> Table:
    """Find the concepts nearest in meaning to a concept or a text, by the vectors in the graph."""
    live = list(desk.graph.resolve([what.strip(), what.strip().upper()]).values())
    if live:
        found = [
            (one.cui, one.name, one.cosine, one.semantic_types)
            for one in Vectors(desk.graph).similar(live[0], limit)
        ]
    else:
        found = [
            (one.cui, one.name, one.cosine, one.semantic_types)
            for one in desk.model.nearest([what], limit)[0]
        ]
    return Table(
        f"{len(found)} concepts, nearest first",
        ("cui", "name", "cosine", "semantic_types"),
        found,
        less="lower limit",
    )


def retrieve_facts(
    desk: Desk,
    question: Annotated[str, Field(min_length=1, max_length=5_000)],
    facts: Annotated[int, Field(ge=1, le=500, description="Facts at most.")] = 40,
) -> Table:
    """Collect what the graph knows about a question: its concepts, then facts with citations.

    Cite facts by number, concept, asserting vocabulary and release.
    """
    found = retrieve(question, desk.graph, desk.finder, max_facts=facts)
    return Table(
        f"{len(found.facts)} facts about {', '.join(found.concepts)}"
        if found.concepts
        else "no concept of the graph is named in the question",
        ("number", "cui", "name", "relation", "other", "object", "asserted_by"),
        [
            (one.number, one.cui, one.name, one.relation, one.other, one.object, one.sources)
            for one in found.facts
        ],
        total=len(found.facts),
        less="lower facts",
    )
