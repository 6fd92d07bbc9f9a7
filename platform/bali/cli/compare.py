"""``bali compare``: what differs between two releases or graphs, code by code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import JsonOption, out, print_json, reporter, table

if TYPE_CHECKING:
    from bali_loaders.umls import CodeChanges

BUSIEST = 15
Side = Annotated[
    str, typer.Argument(help="A release (folder, zip, .nlm files), or 'live' or 'previous'.")
]


def compare(
    old: Side,
    new: Side,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="List every change in this .csv or .json file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the codes of two releases or graphs; nothing is loaded.

    Counts, by source (all of them with --json), the codes that are new, retired, renamed, moved
    to another concept or merged with theirs, or of other semantic types. A release beside a graph
    is read as that was loaded.
    """
    from bali_loaders import umls
    from bali_platform.base.settings import load_settings

    found = umls.compare_codes(old, new, load_settings(), listing=output, reporter=reporter())
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        _show(found)


def _show(found: CodeChanges) -> None:
    from bali_loaders.umls.upgrades.codes import CHANGES

    columns = ("before", "after", *CHANGES)
    counted = {
        sab: [counts.get(what, 0) for what in columns] for sab, counts in found.sources.items()
    }
    busiest = sorted(counted, key=lambda sab: -sum(counted[sab][2:]))[:BUSIEST]
    shown = {sab: counted[sab] for sab in busiest} | {
        "all": [sum(numbers) for numbers in zip(*counted.values(), strict=True)]
    }
    rows = [(sab, *(f"{number:,}" for number in numbers)) for sab, numbers in shown.items()]
    sides = [f"{side.release} ({side.version})" for side in (found.old, found.new)]
    out.print(table(f"Codes, from {sides[0]} to {sides[1]}", ("source", *columns), rows))
    if found.old.version == found.new.version:
        out.print("Both are the same edition.")
    elif found.old.release == found.new.release:
        out.print(f"Two editions of {found.old.release}: the digits tell them apart.")
