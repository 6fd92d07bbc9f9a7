"""``bali load`` and ``bali verify``: a release becomes the graph, and the proof that it did."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import JsonOption, fields, out, print_json, reporter, table
from bali.cli.filters import Filters, Memory, Preset, Threads, given_filters
from bali.cli.shared_options import with_options
from bali_platform.base.errors import BaliError, UsageError

if TYPE_CHECKING:
    from bali_loaders.umls import Report, Verification


@with_options(filters=given_filters)
def load(
    release: Annotated[
        Path | None,
        typer.Argument(metavar="RELEASE", help="A release: folder, zip, or .nlm files."),
    ] = None,
    preset: Annotated[
        Preset,
        typer.Option(
            help="standard: English, nothing suppressed, no siblings, no attributes. lean: without "
            "hierarchies and maps, too. browse: with siblings and attributes. full: everything. "
            "Options below change it.",
        ),
    ] = "standard",
    *,
    filters: Filters,
    memory: Memory = "2500MB",
    threads: Threads = None,
    force: Annotated[bool, typer.Option("--force", help="Load again what is live.")] = False,
    online: Annotated[
        bool,
        typer.Option(
            "--online", help="Import over Bolt into the empty server that BALI_NEO4J_URI names."
        ),
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Serve the graph before this one again.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Load a UMLS release into a new graph, verify it and switch to it.

    The old graph serves until then, and is kept for --rollback.
    """
    from bali_loaders import umls
    from bali_platform.base.settings import load_settings

    if rollback:
        _roll_back(as_json)
        return
    if release is None:
        raise UsageError("bali load: which RELEASE? Make an open one with `bali release open DIR`")
    options = umls.LoadOptions(**umls.PRESETS[preset].model_dump() | filters)
    limits = umls.Limits(memory, threads)
    settings = load_settings()
    if online and force:
        raise UsageError("--online replaces nothing: --force does not go with it")
    if online:
        loaded = umls.load_online(release, options, settings, limits=limits, reporter=reporter())
    elif settings.neo4j_uri:
        raise UsageError(
            "BALI_NEO4J_URI names a server: import into it with --online, "
            "or unset it to build a local graph"
        )
    else:
        loaded = umls.load(
            release, options, settings, limits=limits, force=force, reporter=reporter()
        )
    if as_json:
        live = {"store": loaded.store, "already_live": loaded.already_live}
        print_json(live | loaded.report.model_dump())
        return
    _show_report(loaded.report)
    if loaded.already_live:
        again = "" if online else "; --force loads it again"
        out.print(f"This release with these options is live already{again}.")
    elif online:
        out.print(f"{loaded.store} holds the graph; `bali verify` examines more of it.")
    else:
        out.print(f"{loaded.store} is live: `bali up` serves it, `bali browser` shows it.")


def verify(
    release: Annotated[
        Path, typer.Argument(metavar="RELEASE", help="The release that the graph was loaded from.")
    ],
    sample: Annotated[int, typer.Option(min=1, help="How many concepts to examine.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Which ones: another seed, others.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Hold the live graph against its release: every row counted, a sample of facts examined."""
    from dataclasses import asdict

    from bali_loaders import umls
    from bali_loaders.releases import Release
    from bali_platform.base.settings import load_settings
    from bali_platform.services import neo4j_login
    from bali_platform.services.neo4j_errors import neo4j_errors
    from bali_platform.services.neo4j_server import connect_neo4j

    at = neo4j_login(load_settings())
    with (
        neo4j_errors(at.neo4j_uri),
        connect_neo4j(at.neo4j_uri, at.neo4j_user, at.neo4j_password, at.neo4j_database) as driver,
        Release.open(release, reporter=reporter()) as opened,
    ):
        result = umls.verify(driver, opened, sample=sample, seed=seed, reporter=reporter())
    if as_json:
        print_json({"passed": result.passed} | asdict(result))
    else:
        _show_verification(result)
    if not result.passed:
        raise BaliError(f"{len(result.problems)} things are not as the release says")


def _roll_back(as_json: bool) -> None:
    from bali_platform.base.settings import load_settings
    from bali_platform.services import GraphStores

    name = GraphStores(load_settings()).rollback()
    if as_json:
        print_json({"store": name})
    else:
        out.print(f"{name} is live again")


def _show_report(report: Report) -> None:
    out.print(fields("Nodes", _counts(report.nodes)))
    out.print(fields("Relationships", _counts(_grouped(report))))
    rows = (
        (file, f"{report.rows(file):,}", "; ".join(f"{n:,} {what}" for what, n in parts.items()))
        for file, parts in report.files.items()
    )
    out.print(table("Every row accounted for", ("File", "Rows", "What became of them"), rows))
    out.print(fields("Seconds", {step: f"{spent:.1f}" for step, spent in _times(report).items()}))


def _grouped(report: Report) -> dict[str, int]:
    """Count relationships, those between concepts and between semantic types each as one kind."""
    from bali_loaders.umls.transform.outputs import STRUCTURAL_TYPES

    structure = {n: count for n, count in report.relationships.items() if n in STRUCTURAL_TYPES}
    rest = sum(report.relationships.values()) - sum(structure.values()) - report.facts
    return {"between concepts": report.facts, "between semantic types": rest} | structure


def _times(report: Report) -> dict[str, float]:
    """Return the seconds of each step, the unpacking of all files as one."""
    unpacking = {n: spent for n, spent in report.seconds.items() if n.startswith("unpack ")}
    others = {n: spent for n, spent in report.seconds.items() if n not in unpacking}
    return {"unpack": sum(unpacking.values())} | others if unpacking else others


def _counts(numbers: dict[str, int]) -> dict[str, str]:
    return {name: f"{number:,}" for name, number in numbers.items()}


def _show_verification(result: Verification) -> None:
    out.print(fields("Checked", _counts(result.checked)))
    for problem in result.problems[:20]:
        out.print("[red]✗[/red]", end=" ")
        out.print(problem, highlight=False, markup=False)
    if result.passed:
        out.print("[green]✓[/green] the graph is what the release says")
