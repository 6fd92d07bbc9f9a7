"""What every command shares: the consoles, the ``--json`` option and how results are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from bali_platform.base.errors import BaliError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bali_platform.base.progress import Reporter
    from bali_platform.jobs import JobStore


class _Printer:
    """Prints by a console of rich, which is imported for the first thing that is printed."""

    def __init__(self, *, stderr: bool) -> None:
        self._stderr = stderr

    @cached_property
    def console(self) -> Console:
        from rich.console import Console

        # Names such as ":Eye:" are data, not pictures.
        return Console(emoji=False, stderr=self._stderr)

    def print(self, *objects: Any, **options: Any) -> None:
        self.console.print(*objects, **options)


out = _Printer(stderr=False)
err = _Printer(stderr=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON.")]
DeviceOption = Annotated[
    str, typer.Option(help="Where to compute: cpu or cuda; auto takes a GPU where there is one.")
]


class CommandGroup(TyperGroup):
    """Commands of which help shows what each is for, uncut."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the first paragraph of each command's help."""
        rows = [(name, first_paragraph(each.help)) for name, each in self.commands.items()]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def first_paragraph(text: str | None) -> str:
    """Return what stands before the first empty line, as one line."""
    return (text or "").partition("\n\n")[0].replace("\n", " ")


def reporter() -> Reporter:
    """Progress on standard error, so that standard output stays clean for ``--json``."""
    from bali_platform.base.progress import ConsoleReporter

    return ConsoleReporter(err.console)


def print_json(data: Any) -> None:
    """Print ``data`` as indented JSON on standard output."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")


def job_store() -> JobStore:
    """Return the jobs of this installation's Redis; raises :class:`BaliError` when it is away."""
    from redis.exceptions import RedisError

    from bali_platform.jobs import JobStore, connect

    redis = connect()
    try:
        redis.ping()
    except RedisError as error:
        raise BaliError(f"Redis does not answer ({error}): run `bali up`") from error
    return JobStore(redis)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Build a table whose cells are shown as they are, without markup."""
    from rich.table import Table
    from rich.text import Text

    result = Table(title=Text(title), title_justify="left", header_style="bold")
    for column in columns:
        result.add_column(Text(column), overflow="fold")
    for row in rows:
        result.add_row(*(Text(str(cell)) for cell in row))
    return result


def fields(title: str, values: Mapping[str, object]) -> Table:
    """Build a two-column table of names and values."""
    result = table(title, ("", ""), values.items())
    result.show_header = False
    return result
