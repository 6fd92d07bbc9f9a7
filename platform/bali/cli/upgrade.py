"""``bali upgrade``: the next release takes the place of the live graph, and says what changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import JsonOption, fields, out, print_json, reporter, table
from bali.cli.filters import Filters, Memory, Preset, Threads, given_filters
from bali.cli.shared_options import with_options

if TYPE_CHECKING:
    from bali_loaders.umls import UpgradeReport


BUSIEST = 15


@with_options(filters=given_filters)
def upgrade(
    release: Annotated[
        Path,
        typer.Argument(metavar="RELEASE", help="The next release: folder, zip, or .nlm files."),
    ],
    preset: Annotated[
        Preset | None,
        typer.Option(help="As for `bali load`; by default as the live graph was loaded."),
    ] = None,
    *,
    filters: Filters,
    memory: Memory = "2500MB",
    threads: Threads = None,
    as_json: JsonOption = False,
) -> None:
    """Load the next release beside the live graph, compare the two, and switch.

    What you added to concepts (embedding, properties my_*, labels My*) is carried over. The old
    graph serves until the switch, and is kept for `bali load --rollback`.
    """
    from bali_loaders import umls
    from bali_platform.base.settings import load_settings

    settings = load_settings()
    live = umls.live_options(settings)
    base = umls.PRESETS[preset] if preset else live
    done = umls.upgrade(
        release,
        settings,
        options=umls.LoadOptions(**base.model_dump() | filters),
        limits=umls.Limits(memory, threads),
        reporter=reporter(),
    )
    if as_json:
        report = done.report.model_dump(mode="json") if done.report else None
        print_json({"store": done.store, "folder": done.folder, "report": report})
    elif done.report is None:
        out.print(f"{done.store}: this release with these options is live already.")
    else:
        _show(done.report)
        out.print(f"{done.store} is live. The whole report is in {done.folder}", soft_wrap=True)


def _show(report: UpgradeReport) -> None:
    out.print(fields("Concepts", _readable(report.concepts())))
    rows = ((what, f"{names:,}", f"{facts:,}") for what, names, facts in report.totals())
    out.print(table("Names and facts", ("", "names", "facts"), rows))
    busiest = sorted(report.by_source(), key=lambda row: -sum(row[1:]))[:BUSIEST]
    columns = ("source", "names gained", "names lost", "facts gained", "facts lost")
    out.print(table("Sources that changed most", columns, busiest))
    out.print(fields("What you added", _readable(report.additions())))


def _readable(numbers: Iterable[tuple[str, int]]) -> dict[str, str]:
    return {what: f"{number:,}" for what, number in numbers}
