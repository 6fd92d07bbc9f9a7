"""What every command shares: the consoles, the ``--json`` option and how results are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bali_platform.base.errors import BaliError
from bali_platform.base.progress import ConsoleReporter, Reporter

if TYPE_CHECKING:
    from bali_platform.jobs import JobStore


# Names such as ":Eye:" are data, not pictures.
out = Console(emoji=False)
err = Console(stderr=True, emoji=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON.")]
DeviceOption = Annotated[
    str, typer.Option(help="Where to compute: cpu or cuda; auto takes a GPU where there is one.")
]


def reporter() -> Reporter:
    """Progress on standard error, so that standard output stays clean for ``--json``."""
    return ConsoleReporter(err)


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
