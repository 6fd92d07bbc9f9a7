from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.loaders.umls.small import run_transform, small_release, write_release

from bali_loaders.releases import Release
from bali_loaders.umls import LoadOptions
from bali_loaders.umls.options import check_choices
from bali_platform.base.errors import BaliError, UsageError

Damage = Callable[[Path], object]


def change(name: str, edit: Callable[[bytes], bytes]) -> Damage:
    def damage(meta: Path) -> None:
        file = meta / name
        file.write_bytes(edit(file.read_bytes()))

    return damage


def on_line(number: int, edit: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def edited(data: bytes) -> bytes:
        lines = data.splitlines(keepends=True)
        lines[number - 1] = edit(lines[number - 1])
        return b"".join(lines)

    return edited


def remove(name: str) -> Damage:
    return lambda meta: (meta / name).unlink()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(
            change("MRREL.RRF", lambda data: data[:-30]),
            "MRREL.RRF, line 13: the line is cut off; fetch or make the file again",
            id="truncated line",
        ),
        pytest.param(
            change("MRCONSO.RRF", on_line(4, lambda line: line[line.index(b"|") + 1 :])),
            "MRCONSO.RRF, line 4: 17 columns where 18 are expected",
            id="17 columns",
        ),
        pytest.param(
            change("MRCONSO.RRF", on_line(2, lambda line: b"C0|" + line)),
            "MRCONSO.RRF, line 2: 19 columns where 18 are expected",
            id="19 columns",
        ),
        pytest.param(
            change("MRDEF.RRF", on_line(2, lambda line: line.replace(b"Muscle", b"M\xfcscle"))),
            "MRDEF.RRF, line 2: not UTF-8",
            id="not UTF-8",
        ),
        pytest.param(
            change("MRCONSO.RRF", on_line(3, lambda line: line.replace(b"heart", b"hea\rrt"))),
            "MRCONSO.RRF, line 3: carriage return inside the line",
            id="carriage return",
        ),
        pytest.param(
            change("MRREL.RRF", on_line(3, lambda line: b"")),
            "MRREL.RRF has 12 rows, MRFILES.RRF says 13: copy both from the release again, "
            "or delete MRFILES.RRF if you filtered the files yourself",
            id="row lost",
        ),
        pytest.param(
            change("MRFILES.RRF", lambda data: data.replace(b"|4|13|", b"|4|14|", 1)),
            "MRDOC.RRF has 13 rows, MRFILES.RRF says 14",
            id="MRFILES disagrees",
        ),
        pytest.param(remove("MRRANK.RRF"), "counts rows of MRRANK", id="no MRRANK"),
        pytest.param(remove("MRDOC.RRF"), "counts rows of MRDOC", id="no MRDOC"),
        pytest.param(remove("MRDEF.RRF"), "MRFILES.RRF counts rows of MRDEF", id="no MRDEF"),
        pytest.param(change("MRCONSO.RRF", lambda data: b""), "the release is empty", id="empty"),
    ],
)
def test_damaged_release_is_refused_in_one_line(
    tmp_path: Path, damage: Damage, message: str
) -> None:
    release = write_release(tmp_path, small_release())
    damage(release / "META")
    with pytest.raises(BaliError) as refused:
        run_transform(release, tmp_path / "out")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_windows_line_ends_load_the_same(tmp_path: Path) -> None:
    release = write_release(tmp_path, small_release())
    before, _ = run_transform(release, tmp_path / "out")
    for file in (release / "META").glob("*.RRF"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    after, _ = run_transform(release, tmp_path / "out")
    assert after == before


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    release = write_release(tmp_path, small_release())
    before, _ = run_transform(release, tmp_path / "out")
    meta = release / "META"
    for name in ("MRCONSO", "MRREL"):
        reverse_columns(meta, name, without="CVF")
    after, _ = run_transform(release, tmp_path / "out")
    assert after == before


def reverse_columns(meta: Path, name: str, without: str) -> None:
    catalogue = meta / "MRFILES.RRF"
    rows = [line.split("|") for line in catalogue.read_text().splitlines()]
    (entry,) = (row for row in rows if row[0] == f"{name}.RRF")
    columns = entry[2].split(",")
    order = [columns.index(column) for column in reversed(columns) if column != without]
    entry[2], entry[3] = ",".join(columns[place] for place in order), str(len(order))
    catalogue.write_text("".join("|".join(row) + "\n" for row in rows))
    lines = [line.split("|") for line in (meta / f"{name}.RRF").read_text().splitlines()]
    kept = ("|".join(line[place] for place in order) + "|\n" for line in lines)
    (meta / f"{name}.RRF").write_text("".join(kept))


def test_missing_column_is_refused(tmp_path: Path) -> None:
    release = write_release(tmp_path, small_release())
    reverse_columns(release / "META", "MRREL", without="RELA")
    with pytest.raises(BaliError, match=r"MRREL\.RRF: no column RELA by MRFILES\.RRF"):
        run_transform(release, tmp_path / "out")


def test_too_little_memory_says_so(tmp_path: Path) -> None:
    from bali_loaders.umls import Limits
    from bali_loaders.umls.transform import transform

    path = write_release(tmp_path, small_release())
    with (
        Release.open(path) as release,
        pytest.raises(BaliError, match="give it more with --memory"),
    ):
        limits = Limits(memory="1MB")
        transform(release, LoadOptions(), tmp_path / "out", graph_version="", limits=limits)


def test_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    """No file may grow beyond 20 kB here, which fails as a full disk does."""
    release = write_release(tmp_path / "in", small_release())
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from bali_loaders.releases import Release\n"
        "from bali_loaders.umls import LoadOptions\n"
        "from bali_loaders.umls.preparation import transformed\n"
        "from bali_platform.base.errors import BaliError\n"
        "from bali_platform.base.progress import QUIET\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "release = Release.open(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try: transformed(release, LoadOptions(), Path(sys.argv[2]), 'f0', None, QUIET)\n"
        "except BaliError as error: print(error)\n"
    )
    out = tmp_path / "out"
    command = [sys.executable, "-c", code, str(release), str(out)]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert result.stdout == f"disk full in {out}: make room and run again\n"
    assert not (out / "report.json").exists(), "the next load begins anew"


@pytest.mark.parametrize("name", ["MRRANK", "MRDOC", "MRSTY"])
def test_file_that_no_catalogue_misses_is_asked_for(tmp_path: Path, name: str) -> None:
    release = write_release(tmp_path, small_release())
    for absent in (name, "MRFILES"):
        (release / "META" / f"{absent}.RRF").unlink()
    with pytest.raises(BaliError, match=f"no {name}.RRF; make the subset again with what"):
        run_transform(release, tmp_path / "out")


def test_all_files_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    release = write_release(tmp_path, small_release())
    for path in (release / "META").glob("*.RRF"):
        if path.stem not in ("MRCONSO", "MRSTY"):
            path.unlink()
    missing = "no MRDOC.RRF, MRRANK.RRF, MRREL.RRF, MRSAB.RRF; make the subset again"
    with pytest.raises(BaliError, match=missing):
        run_transform(release, tmp_path / "out")


def test_catalogue_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    release = write_release(tmp_path, small_release())
    catalogue = release / "META" / "MRFILES.RRF"
    catalogue.write_bytes(b"".join(catalogue.read_bytes().splitlines(keepends=True)[1:]))
    with pytest.raises(BaliError, match=r"MRFILES\.RRF has \d+ rows and says itself"):
        run_transform(release, tmp_path / "out")


def test_unknown_source_is_refused_with_a_hint(tmp_path: Path) -> None:
    with Release.open(write_release(tmp_path, small_release())) as release:
        with pytest.raises(UsageError, match=r"source 'S11' is not in .*did you mean 'S1'"):
            check_choices(release, LoadOptions(sources=("S11",)))
        with pytest.raises(UsageError, match="licence category '7'"):
            check_choices(release, LoadOptions(licences=(7,)))
