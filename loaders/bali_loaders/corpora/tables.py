"""CSV and plain text."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bali_loaders.corpora.documents import Document, lines_of
from bali_loaders.corpora.json_files import ID_KEYS, first_of
from bali_loaders.corpora.pubtator import is_pubtator, read_pubtator
from bali_platform.base.errors import BaliError, did_you_mean


def read_csv(path: Path) -> Iterator[Document]:
    """Yield one document a row of a CSV (or ``.tsv``) file with a column ``text``, maybe ``id``."""
    lines = (line + "\n" for _, line in lines_of(path))
    dialect = "excel-tab" if ".tsv" in path.suffixes else "excel"
    rows = csv.DictReader(lines, dialect=dialect, strict=True)
    try:
        columns = rows.fieldnames or ()
        if "text" not in columns:
            raise BaliError(f"{path}: no column 'text'{did_you_mean('text', columns)}")
        for number, row in enumerate(rows, 1):
            if None in row:
                raise csv.Error("more columns than the header: quote texts with commas")
            yield Document(first_of(row, ID_KEYS) or str(number), row["text"] or "")
    except csv.Error as error:
        raise BaliError(f"{path}, line {rows.reader.line_num}: {error}") from None


def read_text(path: Path) -> Iterator[Document]:
    """Yield one document a block of plain text; blank lines part them.

    Corpora in PubTator's format are often called ``.txt``: they are known by their first line.
    """
    lines = (line for _, line in lines_of(path) if line.strip())
    if any(map(is_pubtator, islice(lines, 1))):
        yield from read_pubtator(path)
    else:
        yield from _blocks(path)


def _blocks(path: Path) -> Iterator[Document]:
    block: list[str] = []
    first = 1
    for number, line in lines_of(path):
        if line.strip():
            first = first if block else number
            block.append(line)
        elif block:
            yield Document(f"{path.name}:{first}", " ".join(block))
            block = []
    if block:
        yield Document(f"{path.name}:{first}", " ".join(block))
