from __future__ import annotations

import gzip
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bali_loaders.releases import Release
from bali_loaders.releases.catalogue import write_catalogue
from bali_loaders.releases.rrf import standard_files, write_rows
from bali_platform.base.errors import BaliError, UsageError

NAMES = ['the "quoted" name', "back\\slash", "ébauche 概念", "plain"]


def conso(number: int, name: str) -> list[str]:
    row = dict.fromkeys(standard_files()["MRCONSO"].columns, "")
    row |= {"CUI": f"C{number:07}", "AUI": f"A{number:07}", "LAT": "ENG", "STR": name}
    return list(row.values())


@pytest.fixture
def release_folder(tmp_path: Path) -> Path:
    meta = tmp_path / "in" / "2031AA" / "META"
    write_rows(meta / "MRCONSO.RRF", (conso(i, name) for i, name in enumerate(NAMES)), 18)
    write_rows(meta / "MRRANK.RRF", [("0001", "SRC", "PT", "N")], 4)
    write_rows(meta / "MRDOC.RRF", [("RELEASE", "umls.release.name", "release_info", "2031AA")], 4)
    write_rows(meta / "CHANGE" / "MERGEDCUI.RRF", [("C0000009", "C0000001")], 2)
    write_rows(meta / "MRREL.RRF", [], 16)
    write_rows(tmp_path / "in" / "2031AA" / "NET" / "SRSTRE1", [("T001", "T186", "T071")], 3)
    write_catalogue(meta)
    return meta.parent


def as_folder(folder: Path) -> Path:
    return folder


def as_meta(folder: Path) -> Path:
    return folder / "META"


def as_parent(folder: Path) -> Path:
    return folder.parent


def zip_up(target: Path, folder: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, prefix + str(file.relative_to(folder)))
    return target


def as_zip(folder: Path) -> Path:
    return zip_up(folder.parent.parent / "somewhere.zip", folder.parent, "deep/er/")


def as_flat_zip(folder: Path) -> Path:
    shutil.copytree(folder / "NET", folder / "META" / "NET")
    return zip_up(folder.parent.parent / "flat.zip", folder / "META")


def as_split_gzip(folder: Path) -> Path:
    names = folder / "META" / "MRCONSO.RRF"
    text = names.read_bytes()
    names.unlink()
    for part, piece in (("aa", text[:101]), ("ab", text[101:150]), ("ac", text[150:])):
        (folder / "META" / f"MRCONSO.RRF.{part}.gz").write_bytes(gzip.compress(piece))
    return folder


def as_nlm(folder: Path) -> Path:
    target = folder.parent.parent / "full"
    target.mkdir()
    zip_up(target / "2031aa-1-meta.nlm", as_split_gzip(folder) / "META", "2031AA/META/")
    zip_up(target / "2031aa-otherks.nlm", folder / "NET", "2031AA/NET/")
    return target


def as_zip_of_nlm(folder: Path) -> Path:
    return zip_up(folder.parent.parent / "full.zip", as_nlm(folder))


PACKINGS = [
    as_folder,
    as_meta,
    as_parent,
    as_zip,
    as_flat_zip,
    as_split_gzip,
    as_nlm,
    as_zip_of_nlm,
]


@pytest.mark.parametrize("pack", PACKINGS, ids=lambda pack: pack.__name__)
def test_every_packing_reads_the_same(release_folder: Path, pack: Callable[[Path], Path]) -> None:
    expected = {
        path.stem if path.parent.name != "CHANGE" else "CHANGE/MERGEDCUI": path.read_bytes()
        for path in (release_folder / "META").rglob("*.RRF")
    }
    expected["NET/SRSTRE1"] = (release_folder / "NET" / "SRSTRE1").read_bytes()
    with Release.open(pack(release_folder)) as release:
        assert release.version == "2031AA"
        assert release.missing == ()
        assert release.files.keys() == expected.keys()
        assert [row["STR"] for row in release.rows("MRCONSO")] == NAMES
        assert list(release.rows("MRREL")) == []
        assert list(release.rows("NET/SRSTRE1")) == [{"UI1": "T001", "UI2": "T186", "UI3": "T071"}]
        for name, text in expected.items():
            assert b"".join(path.read_bytes() for path in release.local(name)) == text
            claimed = release.files[name]
            if not name.startswith("NET/"):
                assert (claimed.rows_claimed, claimed.bytes_claimed) == (
                    text.count(b"\n"),
                    len(text),
                )


def test_what_was_unpacked_is_removed(release_folder: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with Release.open(as_zip(release_folder), scratch=scratch) as release:
        (unpacked,) = release.local("MRCONSO")
        assert release.local("MRCONSO") == [unpacked]
        assert scratch in unpacked.parents
    assert list(scratch.iterdir()) == []


def test_columns_come_from_mrfiles(release_folder: Path) -> None:
    meta = release_folder / "META"
    write_rows(meta / "MRCONSO.RRF", [("A1", "C0000001", "heart")], 3)
    claim = ("MRCONSO.RRF", "Names", "AUI,CUI,STR", "3", "1", "23")
    write_rows(meta / "MRFILES.RRF", [claim, ("MRSAT.RRF", "", "CUI,ATV", "2", "7", "99")], 6)
    with Release.open(release_folder) as release:
        assert list(release.rows("MRCONSO")) == [{"AUI": "A1", "CUI": "C0000001", "STR": "heart"}]
        assert release.missing == ("MRSAT",)
        assert release.files["MRRANK"].columns == ("RANK", "SAB", "TTY", "SUPPRESS")
        assert release.files["MRRANK"].rows_claimed is None


def test_a_lone_mrconso_is_a_release_named_by_its_folder(tmp_path: Path) -> None:
    write_rows(tmp_path / "umls-2031AB-mrconso" / "MRCONSO.RRF", [conso(1, "heart")], 18)
    with Release.open(tmp_path / "umls-2031AB-mrconso") as release:
        assert release.version == "umls-2031AB-mrconso"


def test_release_dat_names_the_release(release_folder: Path) -> None:
    text = "umls.release.name=2031AB\numls.release.date=20311101\n"
    (release_folder / "META" / "release.dat").write_text(text)
    with Release.open(release_folder) as release:
        assert release.version == "2031AB"


def refused(path: Path) -> str:
    with pytest.raises(BaliError) as error, Release.open(path) as release:
        for name in release.files:
            list(release.rows(name))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_no_release_is_refused(tmp_path: Path) -> None:
    assert "no MRCONSO.RRF" in refused(tmp_path)
    assert "does not exist" in refused(tmp_path / "nowhere")
    (tmp_path / "half.zip").write_bytes(b"PK\x03\x04 and then nothing")
    assert "neither a folder nor a whole zip" in refused(tmp_path / "half.zip")
    with pytest.raises(UsageError):
        Release.open(tmp_path)


def test_two_releases_at_once_are_refused(release_folder: Path) -> None:
    shutil.copytree(release_folder, release_folder.parent / "2031AB")
    assert "several releases (2031AA/META, 2031AB/META)" in refused(release_folder.parent)


def test_the_same_file_twice_is_refused(release_folder: Path) -> None:
    names = release_folder / "META" / "MRCONSO.RRF"
    names.with_suffix(".RRF.gz").write_bytes(gzip.compress(names.read_bytes()))
    assert "are the same file" in refused(release_folder)


def test_an_empty_release_is_refused(release_folder: Path) -> None:
    (release_folder / "META" / "MRCONSO.RRF").write_bytes(b"")
    assert "META/MRCONSO.RRF holds no rows" in refused(release_folder)


def test_a_truncated_file_is_named_with_its_line(release_folder: Path) -> None:
    names = release_folder / "META" / "MRCONSO.RRF"
    names.write_bytes(names.read_bytes()[:-20])
    assert "META/MRCONSO.RRF, line 4: the line is cut off" in refused(release_folder)


def test_a_bad_mrfiles_is_named_with_its_line(release_folder: Path) -> None:
    catalogue = release_folder / "META" / "MRFILES.RRF"
    write_rows(catalogue, [("MRX.RRF", "", "A,B", "3", "1", "1")], 6)
    assert "MRFILES.RRF, line 1: 2 columns named, 3 counted" in refused(release_folder)
    write_rows(catalogue, [("MRX.RRF", "", "A,B", "2", "many", "1")], 6)
    assert "MRFILES.RRF, line 1: CLS, RWS and BTS must be numbers" in refused(release_folder)


@pytest.mark.parametrize("name", ["../MRCONSO.RRF", "/etc/MRCONSO.RRF", "a\\MRCONSO.RRF"])
def test_a_zip_that_leads_out_of_itself_is_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr(name, "x|\n")
    assert "evil.zip: " in refused(tmp_path / "evil.zip")
    assert "leads out of the archive" in refused(tmp_path / "evil.zip")


def test_a_damaged_zip_is_refused(release_folder: Path) -> None:
    path = as_zip(release_folder)
    text = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        (info,) = (i for i in archive.infolist() if i.filename.endswith("MRCONSO.RRF"))
    start = info.header_offset + 30 + len(info.filename)
    text[start : start + info.compress_size] = bytes(info.compress_size)
    path.write_bytes(text)
    assert "cannot be read (" in refused(path)


def test_a_damaged_gzip_is_refused(release_folder: Path) -> None:
    part = as_split_gzip(release_folder) / "META" / "MRCONSO.RRF.ac.gz"
    part.write_bytes(part.read_bytes()[:-9])
    assert "cannot be read (" in refused(release_folder)


def test_an_absent_file_is_asked_for_by_name(release_folder: Path) -> None:
    with Release.open(release_folder) as release, pytest.raises(BaliError, match="no MRSAT"):
        release.local("MRSAT")


def test_no_room_to_unpack_is_one_clear_line(release_folder: Path, tmp_path: Path) -> None:
    refusal = pytest.raises(BaliError, match=r"MRCONSO\.RRF: cannot be unpacked to .*absent")
    with Release.open(as_zip(release_folder), scratch=tmp_path / "absent") as release, refusal:
        release.local("MRCONSO")


@st.composite
def damaged(draw: st.DrawFn, text: bytes) -> bytes:
    """Cut out a piece of ``text`` and put other bytes in its place."""
    start = draw(st.integers(0, len(text)))
    stop = draw(st.integers(start, min(len(text), start + 40)))
    return text[:start] + draw(st.binary(max_size=10)) + text[stop:]


@pytest.mark.parametrize("pack", [as_meta, as_zip, as_nlm], ids=lambda pack: pack.__name__)
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damage_is_refused_in_one_line_or_harmless(
    release_folder: Path, pack: Callable[[Path], Path], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as place:
        copied = Path(place) / "in" / "2031AA"
        shutil.copytree(release_folder, copied)
        packed = pack(copied)
        files = [path for path in sorted(packed.rglob("*")) if path.is_file()] or [packed]
        victim = data.draw(st.sampled_from(files))
        victim.write_bytes(data.draw(damaged(victim.read_bytes())))
        try:
            with Release.open(packed) as release:
                for name in release.files:
                    list(release.rows(name))
                    release.local(name)
        except BaliError as error:
            assert "\n" not in str(error)
