from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.loaders.umls.small import Row, atom, small_release, write_release

from bali_loaders.releases import Release
from bali_loaders.umls.verification.lines import Lines, Piece
from bali_platform.base.errors import BaliError

texts = st.lists(st.binary(max_size=9).map(lambda text: text.replace(b"\n", b"")), max_size=9)


@settings(deadline=None, max_examples=60)
@given(texts, st.integers(1, 30), st.booleans())
def test_pieces_hold_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, texts: list[bytes], width: int, ended: bool
) -> None:
    path = tmp_path_factory.mktemp("pieces") / "MRX.RRF"
    whole = b"\n".join([*texts, b""] if ended else texts)
    path.write_bytes(whole)
    cuts = range(0, len(whole), width)
    pieces = [Piece(path, start, min(start + width, len(whole))) for start in cuts]
    read = [line for piece in pieces for lines in piece.lines() for line in lines]
    assert read == whole.removesuffix(b"\n").split(b"\n") if whole else read == []
    assert b"".join(block for piece in pieces for block in piece.blocks()) == whole


ATOMS = [
    atom(f"C{number % 50:07}", f"A{number % 290:07}", f"name {number}", f"S{number % 3}")
    for number in range(300)
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(
        tmp_path_factory.mktemp("release"), small_release() | {"MRCONSO": ATOMS, "MRCUI": []}
    )


@pytest.fixture(scope="module", params=["at once", "by processes", "compressed"])
def lines(request: pytest.FixtureRequest, folder: Path) -> Iterator[Lines]:
    if request.param == "compressed":
        for file in folder.glob("*/MRCONSO.RRF"):
            file.with_suffix(".RRF.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    large = 1000 if request.param == "by processes" else 1 << 30
    with Release.open(folder) as release, Lines(release, large=large) as lines:
        yield lines


def test_lines_are_counted(lines: Lines) -> None:
    assert lines.count("MRCONSO") == 300


def test_packed_lines_are_counted_without_unpacking(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "in", small_release() | {"MRCONSO": ATOMS, "MRAUI": []})
    with (folder / "META" / "MRCONSO.RRF").open("a") as file:
        file.write("C0|no newline")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", folder.parent))
    with Release.open(packed, scratch=scratch) as release, Lines(release) as lines:
        assert lines.count("MRCONSO", alone=True) == 301
        assert lines.count("MRAUI", alone=True) == 0
        assert list(scratch.iterdir()) == []
        assert lines.count("MRCONSO") == 301


def test_rows_are_found_in_the_order_of_the_file(lines: Lines) -> None:
    wanted = {"C0000007", "C0000049", "nowhere"}
    found = [row["STR"] for row in lines.find("MRCONSO", ("CUI",), wanted)]
    assert found == [row["STR"] for row in ATOMS if row["CUI"] in wanted]
    either = [row["STR"] for row in lines.find("MRCONSO", ("AUI", "CUI"), {"A0000005", "C0000007"})]
    assert either == [
        row["STR"] for row in ATOMS if row["AUI"] == "A0000005" or row["CUI"] == "C0000007"
    ]
    assert list(lines.find("MRCONSO", ("CUI",), ())) == []
    assert list(lines.find("MRMAP", ("FROMEXPR",), {"a file that the release lacks"})) == []


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("rewritten"), small_release())


VALUES = st.sampled_from(["", "C0000001", "C0000002", "C000000", "C00000010", "C1", "naïve"])


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(st.tuples(VALUES, VALUES, VALUES, st.booleans()), min_size=1, max_size=9),
    wanted=st.sets(VALUES, min_size=1),
    columns=st.sampled_from([("CUI",), ("AUI",), ("SUPPRESS", "CUI"), ("CUI", "AUI", "CVF")]),
    ended=st.booleans(),
)
def test_rows_found_are_those_of_a_plain_reading(
    rewritten: Path,
    rows: list[tuple[str, str, str, bool]],
    wanted: set[str],
    columns: tuple[str, ...],
    ended: bool,
) -> None:
    with Release.open(rewritten) as release, Lines(release) as lines:
        names = release.files["MRCONSO"].columns
        written = [
            [{"CUI": one, "AUI": two, "CVF": three}.get(name, "x") for name in names]
            + ["a value too many"] * odd
            for one, two, three, odd in rows
        ]
        text = "".join("|".join(values) + "|\n" for values in written)
        (path,) = release.local("MRCONSO")
        path.write_text(text if ended else text.removesuffix("\n"), encoding="utf-8")
        found = [list(row.values()) for row in lines.find("MRCONSO", columns, wanted)]
    places = [names.index(column) for column in columns]
    expected = [v[: len(names)] for v in written if any(v[place] in wanted for place in places)]
    assert found == expected


def in_s1(row: Row) -> bool:
    return row["SAB"] == "S1" and row["AUI"] < "A0000100"


def test_values_of_accepted_rows(lines: Lines) -> None:
    wanted = {f"C{number:07}" for number in range(0, 80, 3)}
    accepted = {row["CUI"] for row in ATOMS if in_s1(row)} & wanted
    assert 0 < len(accepted) < 17
    assert lines.having("MRCONSO", "CUI", wanted, in_s1) == accepted


def test_repeated_values(lines: Lines) -> None:
    rows = Counter(row["AUI"] for row in ATOMS)
    assert lines.repeated("MRCONSO", "AUI") == {aui for aui, count in rows.items() if count > 1}
    assert lines.repeated("MRCONSO", "STR") == set()


def test_draws_depend_on_the_seed_alone(lines: Lines, folder: Path) -> None:
    drawn = lines.draw("MRCONSO", "CUI", 10, 1)
    assert len(drawn) == 10
    assert drawn < {row["CUI"] for row in ATOMS}
    assert drawn != lines.draw("MRCONSO", "CUI", 10, 2)
    assert lines.draw("MRCONSO", "CUI", 999, 1) == {row["CUI"] for row in ATOMS}
    with Release.open(folder) as release, Lines(release) as others:
        assert drawn == others.draw("MRCONSO", "CUI", 10, 1)
        by_row = others.draw("MRCONSO", "SAB", 40, 1, by_row=True)
    assert by_row == lines.draw("MRCONSO", "SAB", 40, 1, by_row=True) == {"S0", "S1", "S2"}


def test_a_line_without_columns_is_named(tmp_path: Path) -> None:
    folder = write_release(tmp_path, small_release())
    with Release.open(folder) as release, Lines(release) as lines:
        with release.local("MRREL")[0].open("ab") as stream:
            stream.write(b"\n")
        with pytest.raises(BaliError, match=r"MRREL\.RRF, line 14: "):
            list(lines.find("MRREL", ("CUI1", "CUI2"), {"C0000001"}))


READING = """
import sys, time
from pathlib import Path
from bali_loaders.releases import Release
from bali_loaders.umls.verification.lines import Lines

if __name__ == "__main__":
    with Release.open(Path(sys.argv[1])) as release, Lines(release, large=1) as lines:
        print(lines.count("MRCONSO"), flush=True)
        time.sleep(60)
"""


def test_processes_end_with_the_one_that_is_killed(tmp_path: Path) -> None:
    folder = write_release(tmp_path, small_release())
    script = tmp_path / "reading.py"
    script.write_text(READING)
    command = [sys.executable, str(script), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == "10\n"
        started = psutil.Process(reader.pid).children(recursive=True)
        reader.kill()
    assert len(started) > 1
    assert psutil.wait_procs(started, timeout=20)[1] == []
