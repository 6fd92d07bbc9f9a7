"""MRFILES and MRCOLS: what a release says of its own files, counted from the files themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

from bali_loaders.releases.rrf import scan_sql, standard_columns, standard_files, write_rows
from bali_platform.base.errors import BaliError
from bali_platform.base.progress import QUIET, Reporter

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileCounts:
    """Rows and bytes of a file, and (shortest, total, longest) characters of each column."""

    rows: int
    bytes: int
    lengths: tuple[tuple[int, int, int], ...]


def count_file(path: Path, columns: Sequence[str]) -> FileCounts:
    """Count one RRF file by a DuckDB scan."""
    lengths = [f"length(coalesce(\"{column}\", ''))" for column in columns]
    measures = ", ".join(f"min({n}), sum({n}), max({n})" for n in lengths)
    with duckdb.connect() as database:
        table = database.sql(f"FROM {scan_sql([path], columns)}")
        [row] = table.aggregate(f"count(*), {measures}").fetchall()
    rows, *numbers = (int(number or 0) for number in row or ())
    triples = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)
    return FileCounts(rows, path.stat().st_size, tuple(triples))


def write_catalogue(meta: Path, *, reporter: Reporter = QUIET) -> None:
    """Write MRFILES.RRF and MRCOLS.RRF for the RRF files in the folder ``meta``.

    The two describe themselves as well, as NLM's do.
    """
    names = [
        name
        for name in standard_files()
        if name not in ("MRFILES", "MRCOLS") and (meta / f"{name}.RRF").exists()
    ]
    counts = {}
    with reporter.step("count rows", len(names)) as step:
        for name in names:
            counts[name] = count_file(meta / f"{name}.RRF", standard_files()[name].columns)
            step.advance()
    files, columns = _settled(counts)
    write_rows(meta / "MRFILES.RRF", files, 6)
    write_rows(meta / "MRCOLS.RRF", columns, 8)


def _settled(counts: Mapping[str, FileCounts]) -> tuple[list[Row], list[Row]]:
    """Repeat until the counts of MRFILES and MRCOLS agree with what the two say."""
    files: list[Row] = []
    columns: list[Row] = []
    for _ in range(20):
        own = {"MRFILES": _count_rows(files, 6), "MRCOLS": _count_rows(columns, 8)}
        everything = dict(sorted({**counts, **own}.items()))
        before = files, columns
        files, columns = _files_rows(everything), _columns_rows(everything)
        if (files, columns) == before:
            return files, columns
    raise BaliError("MRFILES and MRCOLS do not settle: report this release's size")


def _count_rows(rows: Sequence[Row], width: int) -> FileCounts:
    size = sum(len("|".join(row).encode()) + 2 for row in rows)
    lengths = [[len(row[column]) for row in rows] or [0] for column in range(width)]
    return FileCounts(len(rows), size, tuple((min(n), sum(n), max(n)) for n in lengths))


def _files_rows(counts: Mapping[str, FileCounts]) -> list[Row]:
    return [
        (
            f"{name}.RRF",
            standard_files()[name].description,
            ",".join(standard_files()[name].columns),
            str(len(count.lengths)),
            str(count.rows),
            str(count.bytes),
        )
        for name, count in counts.items()
    ]


def _columns_rows(counts: Mapping[str, FileCounts]) -> list[Row]:
    rows = (
        _column_row(column, f"{name}.RRF", count.rows, lengths)
        for name, count in counts.items()
        for column, lengths in zip(standard_files()[name].columns, count.lengths, strict=True)
    )
    return sorted(rows)


def _column_row(column: str, file: str, rows: int, lengths: tuple[int, int, int]) -> Row:
    known = standard_columns()[column]
    mean = Decimal(lengths[1]) / Decimal(max(rows, 1))
    shortest, longest = str(lengths[0]), str(lengths[2])
    return (column, known["DES"], "", shortest, f"{mean:.2f}", longest, file, known["DTY"])
