"""Rich Release Format: one record a line, fields ended by ``|``, UTF-8, no header, no quoting.

Layout of the files: UMLS Reference Manual, chapter 3 (Metathesaurus) and 5 (Semantic Network).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from bali_platform.base.errors import BaliError

EMPTY = "''"
NEVER = "\n"
ENDS = frozenset("\n\r")
NO_FIELD_ENDS = str.maketrans({"|": " ", "\n": " ", "\r": " "})


@dataclass(frozen=True, slots=True)
class StandardFile:
    """What the manual says of one file."""

    description: str
    columns: tuple[str, ...]


@cache
def standard_files() -> dict[str, StandardFile]:
    """Describe every file of a release by name (``MRCONSO``, ``CHANGE/MERGEDCUI``, ``NET/SRDEF``).

    >>> standard_files()["MRRANK"].columns
    ('RANK', 'SAB', 'TTY', 'SUPPRESS')
    """
    rows = _bundled("files.rrf", ("FIL", "DES", "FMT"))
    return {row["FIL"]: StandardFile(row["DES"], tuple(row["FMT"].split(","))) for row in rows}


@cache
def standard_columns() -> dict[str, dict[str, str]]:
    """Describe every column by name: its meaning (``DES``) and SQL type (``DTY``)."""
    return {row["COL"]: row for row in _bundled("columns.rrf", ("COL", "DES", "DTY"))}


def _bundled(name: str, columns: Sequence[str]) -> list[dict[str, str]]:
    resource = files("bali_loaders.releases") / "standard" / name
    with resource.open("rb") as stream:
        return list(read_rows(stream, columns, name))


def read_fields(stream: Iterable[bytes], width: int, label: str) -> Iterator[list[str]]:
    """Yield the ``width`` fields of each line of ``stream``; lines end as in Unix or Windows.

    Raises :class:`BaliError` naming ``label`` and the line at the first one that is not RRF.
    """
    for number, line in enumerate(stream, 1):
        try:
            fields = line.decode().removesuffix("\n").removesuffix("\r").split("|")
        except UnicodeDecodeError as error:
            raise _bad_line(label, number, f"not UTF-8 at byte {error.start + 1}") from None
        if len(fields) != width + 1 or fields[-1] or b"\r" in line[:-2]:
            raise _bad_line(label, number, _what_is_wrong(line, len(fields) - 1, width))
        fields.pop()
        yield fields


def read_rows(
    stream: Iterable[bytes], columns: Sequence[str], label: str
) -> Iterator[dict[str, str]]:
    """Yield each line of ``stream`` as a dictionary by column name; errors as `read_fields`."""
    for fields in read_fields(stream, len(columns), label):
        yield dict(zip(columns, fields, strict=True))


def _what_is_wrong(line: bytes, found: int, expected: int) -> str:
    if b"\r" in line[:-2]:
        return "carriage return inside the line"
    if not line.endswith(b"\n"):
        return "the line is cut off"
    if not line.rstrip(b"\r\n").endswith(b"|"):
        return "the line does not end with '|'"
    return f"{found} columns where {expected} are expected"


def _bad_line(label: str, number: int, what: str) -> BaliError:
    return BaliError(f"{label}, line {number}: {what}; fetch or make the file again")


def scan_sql(paths: Iterable[Path], columns: Sequence[str]) -> str:
    """Return the DuckDB subquery that reads RRF files, all columns as text, empty as null.

    A line with too few or too many fields is an error, which does not say where it is:
    :func:`read_rows` does. DuckDB skips blank lines.
    """
    # Two more columns than a line has fields: the first of them holds what follows the last "|",
    # nothing; the second is padded with null. Without padding, DuckDB takes no offence at surplus
    # fields while the last of them is empty, as the last column of most files is.
    texts = ", ".join(f"{_literal(column)}: 'VARCHAR'" for column in (*columns, "_end", "_more"))
    return (
        f"(FROM read_csv([{', '.join(_literal(str(path)) for path in paths)}], "
        f"columns={{{texts}}}, delim='|', quote='', escape='', header=false, auto_detect=false, "
        f"new_line='\\n', null_padding=true, nullstr='{NEVER}') "
        f"SELECT {', '.join(f'nullif({c}, {EMPTY}) AS {c}' for c in map(_name, columns))} "
        "WHERE CASE WHEN _end = '' AND _more IS NULL THEN true ELSE error('malformed line') END)"
    )


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def tidy(text: str) -> str:
    """Return ``text`` with what an RRF field cannot hold turned into single spaces.

    >>> tidy("a | b  c")
    'a b c'
    """
    return " ".join(text.translate(NO_FIELD_ENDS).split())


def write_rows(path: Path, rows: Iterable[Sequence[str]], width: int) -> None:
    """Write an RRF file of ``width`` columns; raises :class:`BaliError` for an impossible row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for row in rows:
            line = "|".join(row)
            if len(row) != width or line.count("|") != width - 1 or not ENDS.isdisjoint(line):
                raise BaliError(f"{path.name}: not a row of {width} RRF fields: {row!r}")
            stream.write(f"{line}|\n")
