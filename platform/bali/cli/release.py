"""``bali release``: get a release, make one, or see what one holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bali.cli.common import CommandGroup, JsonOption, err, fields, out, print_json, reporter, table
from bali.cli.filters import Preset
from bali_platform.base.errors import UsageError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from bali_loaders.releases.information import ReleaseInfo
    from bali_loaders.releases.uts import PublishedRelease
    from bali_platform.base.settings import Settings


KEY_VARIABLE = "BALI_UTS_API_KEY"
Kind = Literal["full-subset", "level-0", "mrconso", "full"]

TERMS = """\
The UMLS Metathesaurus is licensed by the U.S. National Library of Medicine to each person.
 - You need a licence of your own (free): https://uts.nlm.nih.gov/uts/signup-login
 - You may not pass the Metathesaurus or parts of it on, except as the licence allows.
 - Sources set further limits by category (0-4, 9); SNOMED CT has terms of its own.
 - NLM asks for a short report each year.
Read it whole: https://www.nlm.nih.gov/research/umls/knowledge_sources/metathesaurus/release/license_agreement.html
"""

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder to make.")]

release = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="Get, make or look into a UMLS release."
)


@release.command("open")
def open_release(folder: Folder, as_json: JsonOption = False) -> None:
    """Make a release of open ontologies (HPO, MONDO, DOID, EFO, MeSH): no licence needed."""
    from bali_loaders.releases import open as open_ontologies
    from bali_platform.base.settings import load_settings

    resources = open_ontologies.fetch_resources(load_settings(), reporter())
    open_ontologies.write(folder, resources, reporter=reporter())
    _made(folder, as_json)


@release.command()
def synthetic(
    folder: Folder,
    concepts: Annotated[int, typer.Option(help="How many concepts (200 to 6,000,000).")] = 10_000,
    seed: Annotated[int, typer.Option(help="Another seed, another release.")] = 0,
    edition: Annotated[
        int, typer.Option(help="1, 2, ...: the releases that follow the first, to try upgrades.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make a release of made-up content with the statistics and oddities of the UMLS."""
    from bali_loaders.releases import synthetic as made_up

    made_up.write(folder, concepts=concepts, seed=seed, edition=edition, reporter=reporter())
    _made(folder, as_json)


@release.command()
def tables(
    nodes: Annotated[
        Path,
        typer.Argument(help="CSV or TSV: id, name; and, if there are, synonyms, type, definition."),
    ],
    edges: Annotated[Path, typer.Argument(help="CSV or TSV: source, target (ids), type.")],
    folder: Folder,
    source: Annotated[
        str, typer.Option(help="Abbreviation of the vocabulary that the tables are.")
    ] = "OWN",
    as_json: JsonOption = False,
) -> None:
    """Make a release of any graph: a table of its nodes and one of its edges."""
    from bali_loaders.releases import tables as tabular

    tabular.write(nodes, edges, folder, source=source, reporter=reporter())
    _made(folder, as_json)


@release.command()
def info(
    release: Annotated[Path, typer.Argument(metavar="RELEASE", help="Folder, zip or .nlm files.")],
    preset: Annotated[
        Preset, typer.Option(help="Count what `bali load` with this preset would load.")
    ] = "standard",
    source: Annotated[list[str] | None, typer.Option(help="As for `bali load`.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="As for `bali load`.")] = None,
    licence: Annotated[list[int] | None, typer.Option(help="As for `bali load`.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a release holds, and what a choice of filters would load of it."""
    from dataclasses import asdict

    from bali_loaders.releases import Release
    from bali_loaders.releases.information import describe
    from bali_loaders.releases.preview import preview
    from bali_loaders.umls.options import PRESETS, LoadOptions, check_choices

    chosen = {"sources": source, "languages": language, "licences": licence}
    changes = {key: value for key, value in chosen.items() if value is not None}
    options = LoadOptions(**PRESETS[preset].model_dump() | changes)
    with Release.open(release, reporter=reporter()) as opened:
        if source or licence:
            check_choices(opened, options)
        held = describe(opened, reporter=reporter())
        loaded = preview(opened, options, reporter=reporter())
    if as_json:
        would_load = {"options": options.model_dump(mode="json"), **asdict(loaded)}
        print_json({**asdict(held), "would_load": would_load})
        return
    _show(held)
    title = f"Would be loaded with --preset {preset}" + (
        " and the filters given" if changes else ""
    )
    out.print(table(title, ("what", "how many"), asdict(loaded).items()))


def _show(held: ReleaseInfo) -> None:
    totals = {
        "concepts": held.concepts,
        "names": f"{held.names}, of which {held.suppressed_names} suppressed or obsolete",
        "relation rows": held.relations,
        "definitions": held.definitions,
        "claimed but absent": ", ".join(held.missing) or "nothing",
    }
    out.print(fields(f"{held.version}: {held.path}", totals))
    counts = ("names", "concepts", "relations", "definitions")
    rows = [
        (s.sab, s.licence, s.language, s.names, s.concepts, s.relations, s.definitions)
        for s in held.sources
    ]
    out.print(table("Sources", ("source", "licence", "language", *counts), rows))
    spoken = [(row.language, row.names, row.concepts) for row in held.languages]
    out.print(table("Languages", ("language", "names", "concepts"), spoken))
    groups = [(row.group, row.concepts) for row in held.groups]
    out.print(table("Semantic groups", ("group", "concepts"), groups))


@release.command()
def download(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to put the zip.")] = Path(),
    release: Annotated[
        str | None, typer.Option("--release", help="Such as 2025AB; the newest if not given.")
    ] = None,
    kind: Annotated[Kind, typer.Option(help="Which of the files that NLM publishes.")] = (
        "full-subset"
    ),
    md5: Annotated[
        str | None, typer.Option(help="The MD5 sum that NLM shows beside the file.")
    ] = None,
    only_list: Annotated[
        bool, typer.Option("--list", help="List the releases; no key needed.")
    ] = False,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Say that you accept the UMLS licence.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Download a UMLS release from NLM with your UTS API key (BALI_UTS_API_KEY, or asked for)."""
    from dataclasses import asdict

    from bali_loaders.releases.uts import UTS, Uts
    from bali_platform.base.settings import load_settings

    with Uts(UTS) as uts:
        published = uts.releases(kind)
        if only_list:
            _show_published(published, [asdict(entry) for entry in published], as_json)
            return
        chosen = _choose(published, release)
        _accept_terms(load_settings(), accept_licence)
        path = uts.download(chosen, folder, _ask_key(), md5=md5, reporter=reporter())
    if as_json:
        print_json({"release": chosen.version, "path": str(path)})
    else:
        out.print(f"{path}: now `bali release info` and `bali load` can read it.")


def _made(folder: Path, as_json: bool) -> None:
    from bali_loaders.releases import Release

    with Release.open(folder) as made:
        counts = {name: made.files[name].rows_claimed for name in ("MRCONSO", "MRREL", "MRDEF")}
        made_version = made.version
    if as_json:
        print_json({"path": str(folder), "version": made_version, "rows": counts})
    else:
        held = ", ".join(f"{count:,} rows in {name}" for name, count in counts.items())
        out.print(f"{folder}: release {made_version}, {held}. Next: `bali load {folder}`.")


def _show_published(
    published: list[PublishedRelease], entries: list[dict[str, str]], as_json: bool
) -> None:
    if as_json:
        print_json(entries)
        return
    rows = [(entry.version, entry.date, entry.file_name) for entry in published]
    out.print(table("Published by NLM", ("release", "date", "file"), rows))


def _choose(published: list[PublishedRelease], version: str | None) -> PublishedRelease:
    from bali_platform.base.errors import did_you_mean

    for entry in published:
        if version in (None, entry.version):
            return entry
    hint = did_you_mean(version or "", [entry.version for entry in published])
    raise UsageError(f"UTS has no release '{version or 'at all'}'{hint}; see --list")


def _accept_terms(settings: Settings, accepted: bool) -> None:
    """Show the terms and have them accepted, once for each home."""
    record = settings.home / "umls-licence-accepted"
    if record.exists():
        return
    err.print(TERMS, highlight=False)
    if not accepted and not typer.confirm("Do you hold this licence and accept it?", err=True):
        raise UsageError("not downloaded: the licence was not accepted (--accept-licence does)")
    settings.home.mkdir(parents=True, exist_ok=True)
    record.touch()


def _ask_key() -> SecretStr:
    from pydantic import SecretStr

    key = os.environ.get(KEY_VARIABLE) or typer.prompt("UTS API key", hide_input=True, err=True)
    return SecretStr(key.strip())
