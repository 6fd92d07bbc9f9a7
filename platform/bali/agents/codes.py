"""Tools about codes: what they stand for, hierarchies, value sets, maps, vocabularies."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Literal

from pydantic import Field

from bali.agents.answers import Table
from bali.agents.desk import Code, Desk, Limit, Skip, Vocabulary
from bali_platform.api.audit import audited
from bali_platform.base.errors import UsageError

Codes = Annotated[list[Code], Field(min_length=1, max_length=500)]
Direction = Literal["ancestors", "descendants", "parents", "children", "siblings"]
Expression = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2_000,
        description="A code; < code (descendants), << code (and itself), > and >> (ancestors); "
        "joined by AND, OR, MINUS and brackets; filtered with {{ group = Disorder }}, "
        "{{ type = ... }}, {{ term = ... }}; VOCABULARY:* for all of one; ^name for a saved "
        "value set.",
    ),
]
SetName = Annotated[str, Field(max_length=64, description="Of a saved value set.")]
MAX_MAPPED = 2_000


def validate_codes(desk: Desk, codes: Codes, source: Vocabulary = None) -> Table:
    """Tell of each code whether it exists, and what it stands for; near misses are suggested."""
    found = desk.terms.validate(codes, source)
    return Table(
        f"{sum(one.valid for one in found)} of {len(found)} codes are valid",
        ("asked", "valid", "code", "name", "cui", "message"),
        [
            (
                one.asked, one.valid, str(one.code) if one.code else "",
                one.code.name if one.code else "", one.code.cui if one.code else "", one.message,
            )
            for one in found
        ],
        total=len(found),
        less="ask for fewer codes",
    )  # fmt: skip


def map_codes(
    desk: Desk,
    codes: Codes,
    targets: Annotated[list[str], Field(min_length=1, max_length=20, description="To where.")],
    source: Vocabulary = None,
    ancestors: Annotated[
        bool, Field(description="Where there is no target, take the nearest ancestor's.")
    ] = False,
) -> Table:
    """Map codes to other vocabularies, by shared concept and by the release's map sets.

    Each row says how it was found; unmapped, ambiguous and unknown codes are rows as well.
    """
    rows = list(
        islice(desk.terms.map_codes(codes, source, targets, ancestors=ancestors), MAX_MAPPED)
    )
    mapped = {row.asked for row in rows if row.target}
    return Table(
        f"{len(mapped)} of {len(set(codes))} codes have a target",
        ("asked", "status", "target", "target_name", "relation", "method", "via_cui", "note"),
        [
            (
                row.asked, row.status,
                f"{row.target}:{row.target_code}" if row.target else "",
                row.target_name, row.relation, row.method, row.cui,
                "; ".join(filter(None, (row.rule, row.advice, row.note))),
            )
            for row in rows
        ],
        total=len(rows),
        less="ask for fewer codes or targets",
    )  # fmt: skip


def check_subsumption(desk: Desk, a: Code, b: Code, source: Vocabulary = None) -> Table:
    """Tell whether code A is above code B in its vocabulary's hierarchy, below it, or neither."""
    found = desk.terms.subsumes(a, b, source)
    return Table(
        f"{found.a} to {found.b}: {found.outcome}",
        ("a", "a_name", "outcome", "b", "b_name", "stated_by", "basis"),
        [
            (
                str(found.a), found.a.name, found.outcome, str(found.b), found.b.name,
                found.source, found.basis,
            )
        ],
    )  # fmt: skip


def walk_hierarchy(
    desk: Desk,
    code: Code,
    direction: Direction,
    source: Vocabulary = None,
    depth: Annotated[int | None, Field(ge=1, description="Steps at most; all by default.")] = None,
    limit: Limit = 50,
    skip: Skip = 0,
) -> Table:
    """List the codes above, below or beside a code in its vocabulary's hierarchy, nearest first."""
    terms = desk.terms
    found = {
        "ancestors": lambda: terms.ancestors(code, source, depth=depth),
        "descendants": lambda: terms.descendants(code, source, depth=depth),
        "parents": lambda: terms.ancestors(code, source, depth=1),
        "children": lambda: terms.descendants(code, source, depth=1),
        "siblings": lambda: terms.siblings(code, source),
    }[direction]()
    return Table(
        f"{len(found.members)} {direction} of {found.code} by {found.source} ({found.basis})",
        ("code", "name", "cui", "steps"),
        [(str(one), one.name, one.cui, one.steps) for one in found.members[skip : skip + limit]],
        total=len(found.members),
        skip=skip,
        less="lower depth, or go on with skip={skip}",
        notes=[f"a cycle: {' > '.join(cycle)}" for cycle in found.cycles[:3]],
    )


def expand_value_set(
    desk: Desk, expression: Expression, limit: Limit = 50, skip: Skip = 0
) -> Table:
    """Write out a value set: << MSH:D009203 MINUS < MSH:D056988 {{ group = Disorder }}."""
    found = desk.terms.expand(expression, limit=limit, skip=skip, saved=desk.saved)
    return Table(
        f"{found.total} codes in the value set",
        ("code", "name", "cui"),
        [(str(one), one.name, one.cui) for one in found.members],
        total=found.total,
        skip=skip,
        less="narrow the expression, or go on with skip={skip}",
        notes=[f"a cycle: {' > '.join(cycle)}" for cycle in found.cycles[:3]],
    )


def save_value_set(desk: Desk, name: SetName, expression: Expression) -> Table:
    """Keep a value set under a new name, with the codes that it has on the live release."""
    if name in desk.saved:
        raise UsageError(f"a value set '{name}' is saved already: take another name")
    with audited("save a value set", name=name, expression=expression):
        saved = desk.saved.save(name, desk.terms.expand(expression, saved=desk.saved))
    row = (saved.name, len(saved.members), saved.release)
    return Table(f"saved ^{name}", ("name", "codes", "release"), [row], total=1)


def check_value_set(desk: Desk, name: SetName) -> Table:
    """Tell what the live release adds to a saved value set, removes from it and renames."""
    found = desk.saved.update(name, desk.terms, keep=False)
    change = found.change
    rows = [("added", str(one), one.name) for one in change.added]
    rows += [("removed", str(one), one.name) for one in change.removed]
    rows += [("renamed", str(now), f"{old.name} -> {now.name}") for old, now in change.renamed]
    return Table(
        f"{len(rows)} changes from {found.old_release} to {found.new_release}: {found.expression}",
        ("change", "code", "name"),
        rows,
        total=len(rows),
        less="raise max_tokens",
    )


def list_sources(desk: Desk, limit: Limit = 200) -> Table:
    """List the vocabularies of the graph: version, sizes, CURIE prefix, FHIR system."""
    sources = list(desk.terms.sources.values())
    return Table(
        f"{len(sources)} vocabularies",
        ("source", "name", "version", "language", "codes_of_concepts", "prefix", "fhir"),
        [
            (one.sab, one.name, one.version, one.language, one.concepts, one.prefix, one.fhir)
            for one in sources[:limit]
        ],
        total=len(sources),
        less="raise limit",
    )
