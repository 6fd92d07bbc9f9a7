"""``bali code`` and ``bali values``: codes of vocabularies, maps between them, value sets."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bali.cli.common import CommandGroup, JsonOption, err, out, print_json, reporter, table
from bali.cli.concept import open_graph
from bali_platform.base.errors import UsageError
from bali_platform.base.files import new_file, writing
from bali_platform.base.progress import QUIET

if TYPE_CHECKING:
    from bali_platform.base.progress import Step
    from bali_platform.terminology import Terminology
    from bali_platform.terminology.records import Hierarchy, MapRow, Member

code = typer.Typer(
    cls=CommandGroup, no_args_is_help=True, help="Codes of vocabularies, and maps between them."
)

CodeArgument = Annotated[str, typer.Argument(help="A code, such as MSH:D009203 or HP:0001658.")]
SourceOption = Annotated[
    str | None, typer.Option("--source", help="Its vocabulary: SAB, prefix, URI, FHIR system.")
]
MAX_TOLD = 300  # characters of a table's head that an error tells
MAX_CODE = 1_000  # characters; web addresses are codes, too
CsvOption = Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")]
DepthOption = Annotated[int | None, typer.Option(min=1, help="Steps at most.")]
PageOption = Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Codes of a page.")]
SkipOption = Annotated[int, typer.Option(min=0, help="Codes to pass over.")]
STATUSES = ("mapped", "ambiguous", "unmapped", "unknown")
MEMBER = ("source", "code", "name", "cui", "steps")


class MapFormat(StrEnum):
    """The forms in which a map is written."""

    CSV = "csv"
    SSSOM = "sssom"


@contextmanager
def open_terminology() -> Iterator[Terminology]:
    """Connect to the configured graph for one command."""
    from bali_platform.terminology import Terminology

    with open_graph() as graph:
        yield Terminology(graph)


@code.command()
def sources(as_json: JsonOption = False) -> None:
    """List the vocabularies of the graph, and the other names that each goes by."""
    with open_terminology() as terms:
        found = list(terms.sources.values())
    if as_json:
        print_json([asdict(source) for source in found])
        return
    rows = [(s.sab, s.name, s.version, s.atoms, s.prefix, s.fhir or s.uri) for s in found]
    out.print(table("", ("SAB", "name", "version", "terms", "prefix", "system"), rows))


@code.command()
def show(
    codes: Annotated[list[str], typer.Argument(help="Codes, as people write them.")],
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what codes stand for: the one, the choice, or near misses."""
    with open_terminology() as terms:
        found = terms.resolve(codes, source)
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        rows = [
            (r.asked, c, c.name, c.cui, ", ".join(c.semantic_types)) for r in found for c in r.codes
        ]
        out.print(table("", ("asked", "code", "name", "CUI", "semantic types"), rows))
    for each in found:
        if each.message:
            err.print(each.message, markup=False, highlight=False, soft_wrap=True)
    if any(each.status == "unknown" for each in found):
        raise typer.Exit(1)


@code.command()
def validate(
    codes: Annotated[list[str], typer.Argument(help="Codes, as people write them.")],
    source: SourceOption = None,
    displays: Annotated[
        list[str] | None, typer.Option("--display", help="What the code is called; one a code.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Tell of each code whether it is one, and whether it is called that."""
    with open_terminology() as terms:
        found = terms.validate(codes, source, displays or ())
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        rows = [(v.asked, "yes" if v.valid else "no", v.code or "", v.message) for v in found]
        out.print(table("", ("asked", "valid", "code", "why"), rows))
    if not all(each.valid for each in found):
        raise typer.Exit(1)


@code.command()
def subsumes(
    a: CodeArgument, b: CodeArgument, source: SourceOption = None, as_json: JsonOption = False
) -> None:
    """Tell how code A stands to code B in their vocabulary: above it, below it, or neither."""
    with open_terminology() as terms:
        found = terms.subsumes(a, b, source)
    if as_json:
        print_json(asdict(found))
        return
    told = {
        "equivalent": "is the same as",
        "subsumes": "is above",
        "subsumed-by": "is below",
        "not-subsumed": "is neither above nor below",
    }[found.outcome]
    text = f"{found.a} ({found.a.name}) {told} {found.b} ({found.b.name}), by {found.source}"
    out.print(text, markup=False, highlight=False, soft_wrap=True)


@code.command()
def ancestors(
    text: CodeArgument,
    source: SourceOption = None,
    depth: DepthOption = None,
    limit: PageOption = None,
    skip: SkipOption = 0,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List all codes above one, nearest first, as its vocabulary states it."""
    with open_terminology() as terms:
        found = terms.ancestors(text, source, depth=depth)
    _print_hierarchy(found, limit, skip, as_json, as_csv)


@code.command()
def descendants(
    text: CodeArgument,
    source: SourceOption = None,
    depth: DepthOption = None,
    limit: PageOption = None,
    skip: SkipOption = 0,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List all codes below one, nearest first, as its vocabulary states it."""
    with open_terminology() as terms:
        found = terms.descendants(text, source, depth=depth)
    _print_hierarchy(found, limit, skip, as_json, as_csv)


@code.command()
def siblings(
    text: CodeArgument,
    source: SourceOption = None,
    limit: PageOption = None,
    skip: SkipOption = 0,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the codes that share a parent with one."""
    with open_terminology() as terms:
        found = terms.siblings(text, source)
    _print_hierarchy(found, limit, skip, as_json, as_csv)


@code.command()
def history(
    cui: Annotated[str, typer.Argument(help="A CUI.")], as_json: JsonOption = False
) -> None:
    """Tell what became of a CUI: live, merged, or deleted, and since when."""
    with open_terminology() as terms:
        found = terms.history(cui)
    if as_json:
        print_json(asdict(found))
    else:
        out.print(found.told, markup=False, highlight=False, soft_wrap=True)


@code.command("map")
def map_file(
    file: Annotated[
        Path,
        typer.Argument(help="Codes: one a line, or CSV/TSV with a column 'code'; - for stdin."),
    ],
    targets: Annotated[
        list[str], typer.Option("--to", help="Map to this vocabulary (repeatable).")
    ],
    source: Annotated[
        str | None, typer.Option("--from", help="Their vocabulary; taken from each by default.")
    ] = None,
    column: Annotated[str, typer.Option(help="The column with the codes.")] = "code",
    rules: Annotated[bool, typer.Option(help="Take what map sets (MRMAP) say first.")] = True,
    ancestors: Annotated[
        bool, typer.Option("--ancestors", help="Else map the nearest code above.")
    ] = False,
    form: Annotated[
        MapFormat, typer.Option("--format", "-f", help="What to write.")
    ] = MapFormat.CSV,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; standard output if left out.")
    ] = None,
) -> None:
    """Map codes to other vocabularies; every row says how, and from which release.

    Codes are mapped by map sets where the release has them, and by shared concepts. Those with
    several targets are marked ambiguous; those without one have a row all the same.
    """
    texts = read_codes(file, column)
    asked: dict[str, set[str]] = {status: set() for status in STATUSES}
    progress = QUIET if output is None and sys.stdout.isatty() else reporter()
    with open_terminology() as terms, progress.step("map codes", len(texts)) as step:
        found = terms.map_each(texts, source, targets, rules=rules, ancestors=ancestors)
        rows = _counted(found, asked, step)
        lines = _sssom(rows) if form is MapFormat.SSSOM else _table(rows)
        _write(lines, output, "\t" if form is MapFormat.SSSOM else ",")
    told = ", ".join(f"{len(codes)} {status}" for status, codes in asked.items())
    err.print(f"{len(texts)} codes: {told}", highlight=False)


def read_codes(file: Path, column: str) -> list[str]:
    """Return the codes of a file: lines, or the named column of a table that has a header.

    Raises :class:`UsageError` naming what cannot be read.
    """
    try:
        content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UsageError(f"{file}, line {line}: not UTF-8: save it as UTF-8") from error
    try:
        codes = _listed(text.splitlines(), column)
    except (csv.Error, UsageError) as error:
        raise UsageError(f"{file}: {error}") from error
    for row, code in enumerate(codes, 1):
        if len(code) > MAX_CODE:
            raise UsageError(f"{file}: {len(code):,} characters in row {row}: want a code a line")
    if not (found := [code.strip() for code in codes if code.strip()]):
        raise UsageError(f"{file}: no codes in it")
    return found


def _listed(lines: list[str], column: str) -> list[str]:
    head = lines[0] if lines else ""
    mark = next((mark for mark in "\t;," if mark in head), ",")
    columns = [name.strip().casefold() for name in next(csv.reader([head], delimiter=mark), [])]
    if column.casefold() in columns:
        place = columns.index(column.casefold())
        rows = islice(_rows(lines, mark), 1, None)
        return [row[place] if len(row) > place else "" for row in rows]
    if len(columns) > 1:
        raise UsageError(f"no column '{column}': name one of {', '.join(columns)[:MAX_TOLD]}")
    return lines


def _rows(lines: list[str], mark: str) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=mark, strict=True)
    line = 1
    try:
        for row in reader:
            yield row
            line = reader.line_num + 1
    except csv.Error as error:  # the row may go on for many lines
        told = f"the row from line {line} on: {error}: does a quotation mark stand alone?"
        raise UsageError(told) from error


def write_members(members: Iterable[Member]) -> None:
    """Write codes as comma-separated values on standard output."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(MEMBER)
    writer.writerows([getattr(member, name) for name in MEMBER] for member in members)


def _print_hierarchy(
    found: Hierarchy, limit: int | None, skip: int, as_json: bool, as_csv: bool
) -> None:
    page = found.members[skip:] if limit is None else found.members[skip : skip + limit]
    if as_json:
        print_json(
            {**asdict(found), "members": [asdict(m) for m in page], "total": len(found.members)}
        )
    elif as_csv:
        write_members(page)
    else:
        rows = [(member.steps, member.code, member.name, member.cui) for member in page]
        out.print(table(f"{found.code} {found.code.name}", ("steps", "code", "name", "CUI"), rows))
    told = f"{len(found.members)} codes, by {found.source} ({found.basis})"
    err.print(told, markup=False, highlight=False)
    tell_cycles(found.cycles)


def tell_cycles(cycles: Iterable[tuple[str, ...]]) -> None:
    """Print ways round in a hierarchy on standard error."""
    for way in cycles:
        err.print(f"a cycle: {' > '.join(way)}", markup=False, highlight=False)


def _counted(
    found: Iterable[list[MapRow]], asked: dict[str, set[str]], step: Step
) -> Iterator[MapRow]:
    """Pass rows on, and note which codes have one of each status."""
    for rows in found:
        for row in rows:
            asked[row.status].add(row.asked)
        step.advance()
        yield from rows


def _table(rows: Iterable[MapRow]) -> Iterator[list[str]]:
    from bali_platform.terminology.records import MapRow

    columns = list(MapRow.__dataclass_fields__)
    yield columns
    for row in rows:
        yield [str(getattr(row, name)) for name in columns]


def _sssom(rows: Iterable[MapRow]) -> Iterator[list[str]]:
    """Yield the lines of an SSSOM table."""
    from bali_platform.terminology.sssom import COLUMNS, sssom_row

    yield list(COLUMNS)
    yield from filter(None, map(sssom_row, rows))


def _write(lines: Iterable[list[str]], output: Path | None, mark: str) -> None:
    if output is None:
        csv.writer(sys.stdout, delimiter=mark, lineterminator="\n").writerows(lines)
        return
    with (
        writing(output),
        new_file(output) as building,
        building.open("w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file, delimiter=mark, lineterminator="\n").writerows(lines)
