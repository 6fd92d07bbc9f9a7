"""CSV and TSV: one document a row."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from bali_loaders.corpora.documents import Document
from bali_loaders.corpora.json_objects import ENDS, ID_KEYS, KINDS, STARTS, first_of
from bali_loaders.corpora.sources import LONGEST, Source, lines_of
from bali_loaders.corpora.webanno import is_webanno, read_webanno
from bali_loaders.releases.quoting import Quoting, quoting_of
from bali_platform.base.errors import BaliError, did_you_mean

# A cell may hold a book. The module's own limit, 128 kB, is for the whole process.
csv.field_size_limit(LONGEST)

_TEXT = ("text", "note_text")
_PARTED_BY = ",;\t|"


def read_csv(source: Source) -> Iterator[Document]:
    """Yield one document a row of a CSV file with a column ``text``, maybe ``id``.

    The case of columns does not matter, and ``Note Text`` is ``note_text``; they may be parted by
    ``;``, tabs or ``|`` too. In a file of tabs, quotes may be bare. WebAnno's TSV is known by its
    first line.
    """
    header = next((line for line in _lines(source) if line.strip()), "")
    if is_webanno(header):
        yield from read_webanno(source)
        return
    delimiter = _delimiter(header, source)
    yield from _rows(source, delimiter, quoting_of(_lines(source), delimiter))


def _delimiter(header: str, source: Source) -> str:
    usual = "\t" if ".tsv" in source.path.suffixes else ","
    parted = {
        delimiter: next(csv.reader([header], delimiter=delimiter), [])
        for delimiter in dict.fromkeys(usual + _PARTED_BY)
    }
    for delimiter, columns in parted.items():
        if first_of(dict.fromkeys(columns, True), _TEXT):
            return delimiter
    columns = max(parted.values(), key=len)
    hint = did_you_mean("text", columns)
    there = ", ".join(columns[:12]) or "none"
    raise BaliError(f"{source.path}: no column 'text'{hint}; its columns are {there}")


def _rows(source: Source, delimiter: str, quoting: Quoting) -> Iterator[Document]:
    rows = csv.reader(_lines(source), delimiter=delimiter, quoting=quoting, strict=True)
    try:
        columns = [column.strip() for column in next(row for row in rows if row)]
        _without_marks(columns, source)
        for number, row in enumerate((row for row in rows if row), 1):
            if len(row) > len(columns):
                raise csv.Error("more columns than the header: quote texts with commas")
            cells = dict(zip(columns, row, strict=False))
            text = first_of(cells, _TEXT) or ""
            yield Document(str(first_of(cells, ID_KEYS) or number), text)
    except csv.Error as error:
        raise BaliError(f"{source.path}, line {rows.line_num}: {error}") from None


def _without_marks(columns: list[str], source: Source) -> None:
    """Refuse a table of mentions: its rows are no documents."""
    there = dict.fromkeys(columns, True)
    if all(first_of(there, keys) for keys in (STARTS, ENDS, (*KINDS, "cui", "mention"))):
        raise BaliError(
            f"{source.path}: a table of mentions, one a row: write JSON lines instead, each with "
            "the text and its mentions"
        )


def _lines(source: Source) -> Iterator[str]:
    """Yield lines, also those that end as they did on old Macs."""
    return (f"{part}\n" for _, line in lines_of(source) for part in line.split("\r"))
