"""What is done with a linked corpus: shown, and written for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import JsonOption, err, fields, out, print_json, reporter, table

if TYPE_CHECKING:
    from collections.abc import Collection


def export(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS", help="A linked corpus.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The new file; of brat, the new folder.")
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help="jsonl, brat, spacy, doccano, mmi, bioc-xml, bioc-json, pubtator or html.",
        ),
    ],
) -> None:
    """Write a corpus's documents and mentions in the format of another tool, or as a page.

    The graph, which must run, says what the concepts are called.
    """
    from bali_loaders.corpora.writers import WRITERS, Described, read_linked
    from bali_platform.base.errors import UsageError
    from bali_platform.graph.client import Graph

    if form not in WRITERS:
        raise UsageError(f"no format '{form}': one of {', '.join(WRITERS)}")
    with Graph.connect() as graph:

        def describe(cuis: Collection[str]) -> dict[str, Described]:
            concepts = graph.concepts(sorted(cuis)) if cuis else {}
            return {cui: Described(c.name, c.semantic_types) for cui, c in concepts.items()}

        with reporter().step("export"):
            WRITERS[form](read_linked(corpus, describe), output)
    out.print(str(output), markup=False, highlight=False)


def stats(
    folder: Annotated[Path, typer.Argument(metavar="CORPUS", help="A linked corpus.")],
    ambiguous: Annotated[
        bool, typer.Option("--ambiguous", help="List names of several concepts, and left-out ones.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a linked corpus holds."""
    if not ambiguous:
        show(folder, as_json)
        return
    from bali_platform.text.corpus import ambiguous_names

    rows = ambiguous_names(folder)
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    columns = ("name", "times", "linked to", "candidates")
    shown = [(r.name, r.times, r.cui or "left out", " ".join(r.candidates)) for r in rows]
    out.print(table(f"Names of several concepts in {folder}", columns, shown))


def show(folder: Path, as_json: bool) -> None:
    """Print a corpus's description."""
    from bali_platform.text.corpus import open_corpus

    info = open_corpus(folder).model_dump()
    if as_json:
        print_json({"folder": str(folder), **info})
        return
    details = info.pop("details")
    faults = details.pop("faults", [])
    counts, identifiers = details.pop("counts", {}), details.pop("identifiers", {})
    out.print(fields(str(folder), info | details | counts))
    if identifiers:
        columns = ("mapped", "ambiguous", "unmapped")
        rows = [(name, *(row.get(c, 0) for c in columns)) for name, row in identifiers.items()]
        out.print(table("Identifiers of mentions", ("vocabulary", *columns), sorted(rows)))
    for fault in faults:
        err.print(f"not read: {fault}", markup=False, highlight=False, soft_wrap=True)
