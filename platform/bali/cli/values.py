"""``bali values``: value sets written out, kept, and brought up to date."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.code import (
    CsvOption,
    PageOption,
    SkipOption,
    open_terminology,
    tell_cycles,
    write_members,
)
from bali.cli.common import CommandGroup, JsonOption, err, out, print_json, table

if TYPE_CHECKING:
    from bali_platform.graph.records import Records
    from bali_platform.terminology.records import Member
    from bali_platform.terminology.saved import SavedSets

values = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="Value sets: codes by what they mean."
)

ExpressionArgument = Annotated[
    str,
    typer.Argument(help="For example '<< MSH:D009203 MINUS < MSH:D056988'; ^NAME for a saved one."),
]
NameArgument = Annotated[str, typer.Argument(help="The name of a saved value set.")]


@values.command()
def expand(
    expression: ExpressionArgument,
    limit: PageOption = None,
    skip: SkipOption = 0,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Write out the codes of a value set."""
    with open_terminology() as terms:
        found = terms.expand(expression, limit=limit, skip=skip, saved=_saved())
    if as_json:
        print_json(asdict(found))
    else:
        _print(found.members, as_csv)
    err.print(f"{found.total} codes on {found.release}", highlight=False)
    tell_cycles(found.cycles)


@values.command()
def save(name: NameArgument, expression: ExpressionArgument) -> None:
    """Keep a value set under a name, with its codes on this release."""
    sets = _saved()
    with open_terminology() as terms:
        found = terms.expand(expression, saved=sets)
    sets.save(name, found)
    err.print(f"{name}: {found.total} codes on {found.release}", markup=False, highlight=False)


@values.command("list")
def list_sets(as_json: JsonOption = False) -> None:
    """List the saved value sets."""
    sets = _saved()
    found = [sets.read(name) for name in sets]
    if as_json:
        print_json(
            [{"name": s.name, "expression": s.expression, "release": s.release} for s in found]
        )
        return
    rows = [(s.name, s.expression, len(s.members), s.release) for s in found]
    out.print(table("", ("name", "value set", "codes", "release"), rows))


@values.command()
def show(name: NameArgument, as_json: JsonOption = False, as_csv: CsvOption = False) -> None:
    """Show a saved value set, with its codes on the release that it was expanded on."""
    found = _saved().read(name)
    if as_json:
        print_json(asdict(found))
        return
    _print(found.members, as_csv)
    err.print(f"{found.expression}, on {found.release}", markup=False, highlight=False)


@values.command()
def update(
    name: NameArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Expand a saved value set on the release that is live now, and say what that changes."""
    with open_terminology() as terms:
        found = _saved().update(name, terms, keep=not dry_run)
    change = found.change
    if as_json:
        print_json(asdict(change))
    else:
        rows = [("added", m, m.name) for m in change.added]
        rows += [("removed", m, m.name) for m in change.removed]
        rows += [("renamed", b, f"{a.name} -> {b.name}") for a, b in change.renamed]
        out.print(table("", ("", "code", "name"), rows))
    told = (
        f"{len(change.added)} added, {len(change.removed)} removed, {len(change.renamed)} renamed"
    )
    err.print(f"{found.old_release} -> {found.new_release}: {told}", markup=False, highlight=False)


@values.command()
def remove(name: NameArgument) -> None:
    """Forget a saved value set."""
    _saved().remove(name)


def _saved() -> SavedSets:
    from bali_platform.base.settings import load_settings
    from bali_platform.terminology.saved import SavedSets

    return SavedSets(load_settings().home)


def _print(members: Records[Member], as_csv: bool) -> None:
    if as_csv:
        write_members(members)
    else:
        rows = [(member.source, member.code, member.name, member.cui) for member in members]
        out.print(table("", ("source", "code", "name", "CUI"), rows))
