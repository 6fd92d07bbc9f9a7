"""The tool about what the last upgrade changed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bali.agents.answers import Table
from bali.agents.desk import Desk, Limit, Skip
from bali_loaders.umls.upgrades.codes import CHANGES


def list_changes(
    desk: Desk,
    source: Annotated[
        str | None, Field(max_length=200, description="List this vocabulary's codes; else count.")
    ] = None,
    limit: Limit = 50,
    skip: Skip = 0,
) -> Table:
    """Tell what the last upgrade changed: codes new, retired, renamed, moved, merged, retyped."""
    counted = desk.changes.counted()
    title = f"from {counted.old.release} to {counted.new.release}"
    if source is None:
        columns = ("before", "after", *CHANGES)
        rows = [
            (sab, *(counts.get(what, 0) for what in columns))
            for sab, counts in counted.sources.items()
        ]
        return Table(f"Codes by vocabulary, {title}", ("source", *columns), rows)
    total, found = desk.changes.of(source, limit, skip)
    return Table(
        f"{total} changes of {source}, {title}",
        ("code", "change", "name", "old", "new"),
        [(one.code, one.change, one.name, one.old_value, one.new_value) for one in found],
        total=total,
        skip=skip,
        less="go on with skip={skip}",
    )
