"""What tools answer with: a table, as compact text for a model and as structured content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from bali.quoting import cut, quoted

CHARACTERS_A_TOKEN = 3  # codes and chemical names take more tokens than plain English


@dataclass(frozen=True)
class Table:
    """The answer of a tool before it is cut to the budget.

    Attributes:
        about: What the rows are, in words of the server.
        columns: Names of the columns.
        rows: The values.
        total: How many rows there are in all, where that is known.
        skip: How many rows come before these.
        less: How to ask for less, or for something more exact.
        notes: What else is to be known.
    """

    about: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    total: int | None = None
    skip: int = 0
    less: str = ""
    notes: Sequence[str] = field(default=())


class Answer(BaseModel):
    """Rows, the release that they are from, and how to get the rest."""

    about: str
    release: str = Field(description="The loaded release of the terminology.")
    graph_version: str
    rows: list[dict[str, Any]]
    total: int | None = Field(description="Rows in all, where that is known.")
    more: str | None = Field(description="What was left out, and how to ask for it or for less.")
    notes: list[str]


def to_result(table: Table, release: str, graph_version: str, max_tokens: int) -> CallToolResult:
    """Return as many rows as the budget has room for, and say what was left out."""
    head = f"{table.about} | release {quoted(release)}"
    room = max_tokens * CHARACTERS_A_TOKEN - len(head) - sum(map(len, table.notes)) - 200
    shown = _fitting(table.rows, room)
    more = _more(table, shown)
    lines = [head]
    if shown:
        lines.append(" | ".join(table.columns))
        lines += [_line(row) for row in table.rows[:shown]]
    lines += [f"Note: {note}" for note in table.notes]
    if more:
        lines.append(f"More: {more}")
    answer = Answer(
        about=table.about,
        release=release,
        graph_version=graph_version,
        rows=[
            dict(zip(table.columns, map(_plain, row), strict=True)) for row in table.rows[:shown]
        ],
        total=table.total,
        more=more,
        notes=list(table.notes),
    )
    return CallToolResult(
        content=[TextContent(type="text", text="\n".join(lines))],
        structured_content=answer.model_dump(mode="json"),
    )


def _fitting(rows: Iterable[Sequence[Any]], room: int) -> int:
    """Return how many rows there is room for: one at least, whatever its length."""
    shown = 0
    for row in rows:
        room -= len(_line(row)) + 1
        if room < 0 and shown:
            break
        shown += 1
    return shown


def _more(table: Table, shown: int) -> str | None:
    after = table.skip + shown
    cut = len(table.rows) - shown
    rest = table.total - after if table.total is not None else cut
    if rest <= 0:
        return None
    ways = [way for way in (table.less, "raise max_tokens" if cut else "") if way]
    return f"{rest:,} rows are left out: {'; '.join(ways).format(skip=after)}"


def _line(row: Sequence[Any]) -> str:
    return " | ".join(map(quoted, row))


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return cut(value) if isinstance(value, str) else value
