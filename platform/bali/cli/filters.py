"""What of a release to load: the options that ``bali load`` and ``bali upgrade`` share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

Preset = Literal["training", "browse", "full"]
Sources = Annotated[
    list[str] | None,
    typer.Option("--source", help="Load only this source (MRSAB's RSAB); repeatable."),
]
Languages = Annotated[
    list[str] | None,
    typer.Option("--language", help="Load only names of this language; repeatable."),
]
Licences = Annotated[
    list[int] | None, typer.Option("--licence", help="Load only this licence category; repeatable.")
]
Suppressible = Annotated[
    bool | None,
    typer.Option("--suppressible/--no-suppressible", help="Load suppressed and obsolete rows."),
]
Siblings = Annotated[
    bool | None, typer.Option("--siblings/--no-siblings", help="Load SIB relations.")
]
Attributes = Annotated[
    bool | None, typer.Option("--attributes/--no-attributes", help="Load MRSAT.")
]
Hierarchies = Annotated[
    bool | None, typer.Option("--hierarchies/--no-hierarchies", help="Load MRHIER.")
]
Maps = Annotated[bool | None, typer.Option("--maps/--no-maps", help="Load MRMAP.")]
Memory = Annotated[str, typer.Option(help="Memory for the transform.")]
Threads = Annotated[int | None, typer.Option(help="Threads for the transform.")]


def given(**filters: object) -> dict[str, Any]:
    """Return the filters that were given on the command line."""
    return {name: value for name, value in filters.items() if value is not None}
