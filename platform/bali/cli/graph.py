"""``bali subgraph | cypher | query``, and all else that looks at the graph."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bali.cli.common import JsonOption, err, out, print_json, table
from bali.cli.concept import (
    Direction,
    DirectionOption,
    GroupsOption,
    LimitOption,
    SourcesOption,
    TypesOption,
    open_graph,
)
from bali_platform.base.errors import UsageError
from bali_platform.base.files import new_file, writing

if TYPE_CHECKING:
    from bali_platform.graph.cypher import Rows
    from bali_platform.subgraphs import Subgraph


class Format(StrEnum):
    """The forms in which a subgraph can be written."""

    JSON = "json"
    GRAPHML = "graphml"
    CSV = "csv"
    PYG = "pyg"
    SVG = "svg"
    PNG = "png"


_BINARY = {Format.PYG, Format.PNG}

ParametersOption = Annotated[
    list[str] | None,
    typer.Option("--param", help="NAME=TEXT, or NAME:=JSON for another type (repeatable)."),
]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")]


def subgraph(
    cuis: Annotated[list[str], typer.Argument(help="Where to start.")],
    hops: Annotated[int, typer.Option(help="How far to go.")] = 1,
    fanout: Annotated[
        str, typer.Option(help="Edges drawn at each concept: one number, or one a hop: 16,8.")
    ] = "16",
    types: TypesOption = None,
    sources: SourcesOption = None,
    groups: GroupsOption = None,
    direction: DirectionOption = Direction.BOTH,
    seed: Annotated[int, typer.Option(help="Another seed draws other edges.")] = 0,
    induced: Annotated[
        bool, typer.Option("--induced", help="Instead: all edges among the given concepts.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", "-f", help="What to write.")] = Format.JSON,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The file; standard output if left out.")
    ] = None,
) -> None:
    """Write what surrounds some concepts, sampled where it is much.

    csv writes the edges, and beside an output file X.csv the nodes to X.nodes.csv. pyg writes
    safetensors, which bali_platform.subgraphs.read_pyg reads.
    """
    from bali_platform.subgraphs import explore
    from bali_platform.subgraphs import induced as induce

    if form in _BINARY and output is None:
        raise UsageError(f"--format {form.value} needs --output FILE")
    with open_graph() as graph:
        if induced:
            found = induce(graph, cuis)
        else:
            found = explore(
                graph, cuis, hops=hops, fanout=_numbers(fanout), types=types, sources=sources,
                groups=groups, outgoing=direction.outgoing, seed=seed,
            )  # fmt: skip
    if found.missing:
        err.print(f"not in the graph: {', '.join(found.missing)}", markup=False)
    _write_subgraph(found, form, output)


def cypher(
    statement: Annotated[str, typer.Argument(help="One statement; - reads standard input.")],
    parameters: ParametersOption = None,
    write: Annotated[bool, typer.Option("--write", help="Allow it to change the graph.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds at most.")] = 30.0,
    limit: LimitOption = 1000,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Run Cypher; read-only unless --write."""
    from bali_platform.graph.cypher import NotReadOnlyError, run_cypher

    text = sys.stdin.read() if statement == "-" else statement
    try:
        with open_graph() as graph:
            rows = run_cypher(
                graph, text, _parsed(parameters), write=write, timeout_s=timeout, limit=limit
            )
    except NotReadOnlyError as error:
        raise UsageError(f"{error}: only queries are run without --write") from error
    _print_rows(rows, as_json, as_csv)


def query(
    name: Annotated[str | None, typer.Argument(help="Which one; without it, list them.")] = None,
    parameters: ParametersOption = None,
    limit: LimitOption = 1000,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Run one of the shipped queries, the favourites of the Neo4j Browser."""
    from bali_platform.graph.cypher import run_cypher
    from bali_platform.graph.statements import favourite, favourites

    if name is None:
        rows = [(item.name, item.title, ", ".join(item.parameters)) for item in favourites()]
        if as_json:
            print_json([asdict(item) for item in favourites()])
        else:
            out.print(table("", ("query", "", "parameters"), rows))
        return
    chosen, values = favourite(name), _parsed(parameters)
    chosen.check(values)
    with open_graph() as graph:
        _print_rows(run_cypher(graph, chosen.text, values, limit=limit), as_json, as_csv)


def _write_subgraph(found: Subgraph, form: Format, output: Path | None) -> None:
    content = _content(found, form)
    if output is None:
        sys.stdout.write(content.decode())
        return
    _replace(output, content)
    if form is Format.CSV:
        _replace(output.with_suffix(".nodes.csv"), found.to_csv()["nodes"].encode())
    err.print(f"{len(found.nodes)} concepts, {len(found.edges)} edges: {output}", markup=False)


def _content(found: Subgraph, form: Format) -> bytes:
    match form:
        case Format.JSON:
            return found.to_json().encode() + b"\n"
        case Format.GRAPHML:
            return found.to_graphml().encode()
        case Format.CSV:
            return found.to_csv()["edges"].encode()
        case Format.PYG:
            return found.to_safetensors()
        case Format.SVG:
            return found.to_svg().encode()
        case Format.PNG:
            return found.to_png()


def _replace(file: Path, content: bytes) -> None:
    with writing(file), new_file(file) as building:
        building.write_bytes(content)


def _numbers(text: str) -> int | list[int]:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--fanout takes numbers such as 16 or 16,8, not '{text}'") from None
    return numbers[0] if len(numbers) == 1 else numbers


def _parsed(parameters: Iterable[str] | None) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in parameters or ():
        name, equals, text = item.partition("=")
        if not equals or not name.strip(":"):
            raise UsageError(f"--param takes NAME=TEXT or NAME:=JSON, not '{item}'")
        if not name.endswith(":"):
            values[name] = text
            continue
        try:
            values[name[:-1]] = json.loads(text)
        except ValueError as error:
            raise UsageError(f"--param {name[:-1]}: not JSON: {error}") from None
    return values


def _print_rows(answer: Rows, as_json: bool, as_csv: bool) -> None:
    if as_json:
        print_json(answer.to_dicts())
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows(map(_cells, answer.rows))
    else:
        out.print(table("", answer.columns, map(_cells, answer.rows)))
    if answer.truncated:
        err.print(f"only the first {len(answer.rows)} rows: raise --limit for more")


def _cells(row: Sequence[Any]) -> list[str]:
    return [_cell(value) for value in row]


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            # Tables of either kind have a line a row; csv would not quote this one.
            return value.replace("\r", " ")
        case _:
            return json.dumps(value, ensure_ascii=False)
