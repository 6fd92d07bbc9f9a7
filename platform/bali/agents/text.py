"""Tools about text: what it mentions, what is like it, facts that answer a question."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bali.agents.answers import Table
from bali.agents.desk import Desk
from bali.linking import link
from bali.retrieval import retrieve
from bali_loaders.linking import Preset
from bali_platform.graph.vectors import Vectors

Text = Annotated[str, Field(min_length=1, max_length=20_000)]


def link_text(
    desk: Desk,
    text: Text,
    preset: Annotated[Preset, Field(description="clinical for notes, else literature.")] = (
        "literature"
    ),
) -> Table:
    """Find the concepts that a text mentions by name: where, what, what is said of it, what else.

    Attributes are negated, uncertain, historical, family and hypothetical. Names that are not in
    the graph are not found: try find_similar for those.
    """
    rows = [
        (
            one.start,
            one.end,
            one.text,
            one.cui,
            one.name,
            one.score,
            one.attributes,
            one.alternatives,
        )
        for one in link(text, preset, desk.graph).mentions
    ]
    return Table(
        f"{len(rows)} mentions",
        ("start", "end", "mention", "cui", "name", "score", "attributes", "alternatives"),
        rows,
        total=len(rows),
        less="send a shorter text",
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
    found = retrieve(question, desk.graph, max_facts=facts)
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
