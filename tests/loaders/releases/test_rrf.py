from __future__ import annotations

import io
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bali_loaders.releases.rrf import (
    read_rows,
    scan_sql,
    standard_columns,
    standard_files,
    tidy,
    write_rows,
)
from bali_platform.base.errors import BaliError

fields = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="|\n\r"), max_size=30)
tables = st.lists(st.tuples(fields, fields, fields), max_size=8)


@settings(deadline=None)
@given(tables)
def test_any_text_without_a_separator_survives_writing_and_reading(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    path = tmp_path_factory.mktemp("rrf") / "MRX.RRF"
    write_rows(path, rows, 3)
    with path.open("rb") as stream:
        assert [tuple(r.values()) for r in read_rows(stream, "ABC", "MRX.RRF")] == rows
    assert path.read_bytes().count(b"\n") == len(rows)


@settings(deadline=None)
@given(st.lists(st.tuples(fields, fields), min_size=1, max_size=8))
def test_duckdb_reads_the_same_text(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    rows = [("first", "so that no U+FEFF starts the file"), *rows]
    path = tmp_path_factory.mktemp("o'clock") / "MRX.RRF"
    write_rows(path, rows, 2)
    found = duckdb.sql(f"FROM {scan_sql([path], 'AB')}").fetchall()
    assert found == [(a or None, b or None) for a, b in rows]


@pytest.mark.parametrize("line", ["a|", "a|b|c|", "a|b|c||", "a|b||", "a|b"])
def test_duckdb_lets_no_malformed_line_pass(tmp_path: Path, line: str) -> None:
    path = tmp_path / "MRX.RRF"
    path.write_text(f"good|line|\n{line}\nanother||\n")
    with pytest.raises(duckdb.Error, match="malformed line"):
        duckdb.sql(f"FROM {scan_sql([path], 'AB')}").fetchall()


@pytest.mark.parametrize(
    "row", [("a|b", "c"), ("a\nb", "c"), ("a", "b\r"), ("a",), ("a", "b", "c")]
)
def test_a_row_that_rrf_cannot_hold_is_refused(tmp_path: Path, row: tuple[str, ...]) -> None:
    with pytest.raises(BaliError, match=r"MRX\.RRF: not a row of 2 RRF fields"):
        write_rows(tmp_path / "MRX.RRF", [row], 2)


def test_windows_line_ends_are_read_as_unix_ones() -> None:
    assert list(read_rows([b"a|b|\r\n", b"c|d|\n"], "AB", "MRX.RRF")) == [
        {"A": "a", "B": "b"},
        {"A": "c", "B": "d"},
    ]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"a|b|c|\n", "3 columns where 2 are expected"),
        (b"a|\n", "1 columns where 2 are expected"),
        (b"a|b\n", "does not end with '|'"),
        (b"\n", "does not end with '|'"),
        (b"a|b", "the line is cut off"),
        (b"a\xff|b|\n", "not UTF-8 at byte 2"),
        (b"a\rb|c|\n", "carriage return inside the line"),
    ],
)
def test_a_bad_line_is_named(line: bytes, what: str) -> None:
    stream = io.BytesIO(b"good|line|\n" + line)
    with pytest.raises(BaliError) as error:
        list(read_rows(stream, "AB", "META/MRX.RRF"))
    assert "META/MRX.RRF, line 2: " in str(error.value)
    assert what in str(error.value)
    assert "\n" not in str(error.value)


def test_tidy_leaves_nothing_that_rrf_cannot_hold() -> None:
    assert tidy(" a|b\r\n\tc  d ") == "a b c d"


def test_every_standard_column_is_explained() -> None:
    meta = [file for name, file in standard_files().items() if not name.startswith("NET/")]
    assert {column for file in meta for column in file.columns} == set(standard_columns())
    assert len(standard_files()["MRCONSO"].columns) == 18
    assert len(standard_files()["MRREL"].columns) == 16
    assert len(standard_files()["MRSAB"].columns) == 25
