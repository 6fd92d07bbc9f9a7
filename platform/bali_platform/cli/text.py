"""``bali corpus``: documents and definitions become linked corpora."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bali_platform.cli.common import JsonOption, fields, out, print_json, reporter

__all__ = ["register"]

Withheld = Annotated[
    float,
    typer.Option(min=0, max=0.99, help="Fraction of synonyms that no sentence may hold."),
]


def definitions(
    folder: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the new corpus.")],
    withheld: Withheld = 0.1,
    as_json: JsonOption = False,
) -> None:
    """Make a corpus of the graph's own definitions, linked to the other concepts they mention."""
    from bali_loaders.corpora import write_definitions
    from bali_loaders.linking import Linker, graph_dictionary
    from bali_platform.graph.client import Graph
    from bali_platform.settings import load_settings

    settings, progress = load_settings(), reporter()
    with Graph.connect(settings) as graph:
        dictionary = graph_dictionary(
            graph, settings.home / "cache", withheld=withheld, reporter=progress
        )
        write_definitions(graph, Linker(dictionary), folder, reporter=progress)
    show(folder, as_json)


def stats(
    folder: Annotated[Path, typer.Argument(metavar="CORPUS", help="A linked corpus.")],
    as_json: JsonOption = False,
) -> None:
    """Show what a linked corpus holds."""
    show(folder, as_json)


def show(folder: Path, as_json: bool) -> None:
    """Print a corpus's description."""
    from bali_platform.corpus import open_corpus

    info = open_corpus(folder).model_dump()
    if as_json:
        print_json({"folder": str(folder), **info})
        return
    details = info.pop("details")
    info |= {name: value for name, value in details.items() if name != "counts"}
    out.print(fields(str(folder), info | details.get("counts", {})))


def register(app: typer.Typer) -> None:
    """Add ``bali corpus`` to the command tree."""
    corpus = typer.Typer(no_args_is_help=True, help="Documents and definitions to linked corpora.")
    corpus.command()(definitions)
    corpus.command()(stats)
    app.add_typer(corpus, name="corpus", rich_help_panel="Text")
