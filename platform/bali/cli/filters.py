"""What of a release to load: the options that ``bali load`` and ``bali upgrade`` share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

Preset = Literal["standard", "lean", "browse", "full"]
Filters = dict[str, Any]
Memory = Annotated[str, typer.Option(help="Memory for the transform.")]
Threads = Annotated[int | None, typer.Option(help="Threads for the transform.")]


def given_filters(
    sources: Annotated[
        list[str] | None,
        typer.Option("--source", help="Load only this source (MRSAB's RSAB); repeatable."),
    ] = None,
    languages: Annotated[
        list[str] | None,
        typer.Option("--language", help="Load only names of this language; repeatable."),
    ] = None,
    licences: Annotated[
        list[int] | None,
        typer.Option("--licence", help="Load only this licence category; repeatable."),
    ] = None,
    suppressible: Annotated[
        bool | None,
        typer.Option("--suppressible/--no-suppressible", help="Load suppressed and obsolete rows."),
    ] = None,
    siblings: Annotated[
        bool | None, typer.Option("--siblings/--no-siblings", help="Load SIB relations.")
    ] = None,
    attributes: Annotated[
        bool | None, typer.Option("--attributes/--no-attributes", help="Load MRSAT.")
    ] = None,
    hierarchies: Annotated[
        bool | None, typer.Option("--hierarchies/--no-hierarchies", help="Load MRHIER.")
    ] = None,
    maps: Annotated[bool | None, typer.Option("--maps/--no-maps", help="Load MRMAP.")] = None,
) -> Filters:
    """Return the filters that were given on the command line, as fields of ``LoadOptions``."""
    return {name: value for name, value in locals().items() if value is not None}
