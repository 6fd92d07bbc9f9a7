from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.loaders.umls.small import next_small_release, small_release, write_release
from tests.loaders.umls.upgrades import editions
from tests.loaders.umls.upgrades.editions import Edition

from bali_loaders.releases import Release, synthetic
from bali_loaders.umls import LoadOptions
from bali_loaders.umls.transform import transform
from bali_loaders.umls.upgrades.changes import Changes, Graph, compare
from bali_platform.base.errors import BaliError


def contents_of(path: Path, folder: Path) -> Graph:
    with Release.open(path) as release:
        report = transform(release, LoadOptions(), folder, graph_version="0123456789abcdef")
    return Graph(report, folder / "contents")


def compare_releases(paths: tuple[Path, Path], tmp_path: Path) -> tuple[Changes, dict[str, str]]:
    """Return the changes, and of each changed concept what became of it, and how."""
    old, new = (contents_of(path, tmp_path / f"files {n}") for n, path in enumerate(paths))
    listing = tmp_path / "concepts.csv"
    changes = compare(old, new, listing, tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()
    with listing.open(newline="", encoding="utf-8") as stream:
        rows = {
            row["cui"]: f"{row['change']}: {row['new_value']}" for row in csv.DictReader(stream)
        }
    return changes, rows


def test_two_editions_differ_in_what_a_slow_reading_finds(tmp_path: Path) -> None:
    paths = tmp_path / "old", tmp_path / "new"
    for number, path in enumerate(paths):
        synthetic.write(path, concepts=600, edition=number)
    changes, listed = compare_releases(paths, tmp_path)
    old, new = map(Edition, paths)
    assert changes.concepts == editions.concepts(old, new)
    assert changes.names.model_dump() == editions.names(old, new)
    assert changes.facts.model_dump() == editions.facts(old, new)
    found = {sab: counts.model_dump() for sab, counts in changes.sources.items()}
    assert found == editions.sources(old, new)
    assert changes.concepts["merged"] + changes.concepts["deleted"] > 0
    for cui, what in listed.items():
        if what.startswith("merged"):
            assert ("SY", what.removeprefix("merged: ")) in new.retired[cui]


@pytest.fixture
def small_changes(tmp_path: Path) -> tuple[Changes, dict[str, str]]:
    paths = (
        write_release(tmp_path / "old", small_release()),
        write_release(tmp_path / "new", next_small_release()),
    )
    return compare_releases(paths, tmp_path)


def test_each_kind_of_change_is_told(small_changes: tuple[Changes, dict[str, str]]) -> None:
    changes, listed = small_changes
    assert listed == {
        "C0000001": "renamed: Myocardial infarction",
        "C0000002": "retyped: T047",
        "C0000004": "added: ",
        "C0000005": "merged: C0000004",
        "C0000006": "added: ",
    }
    assert changes.names.model_dump() == {
        **{"before": 7, "after": 7, "gained": 2, "lost": 2},
        **{"gained_with_concepts": 2, "lost_with_concepts": 1},
    }
    assert changes.facts.model_dump() == {
        **{"before": 5, "after": 5, "gained": 2, "lost": 2},
        **{"gained_with_concepts": 2, "lost_with_concepts": 2},
    }
    assert changes.sources["S3"].model_dump() == {
        **{"names_gained": 0, "names_lost": 0, "facts_gained": 1, "facts_lost": 0}
    }


@pytest.mark.parametrize(
    ("history", "wanted"),
    [
        ([], "unexplained: "),
        ([{"CUI1": "C0000005", "VER": "x", "REL": "DEL"}], "deleted: "),
        (
            [
                {"CUI1": "C0000005", "VER": "x", "REL": "RB", "CUI2": "C0000002"},
                {"CUI1": "C0000005", "VER": "x", "REL": "RO", "CUI2": "C0000001"},
            ],
            "mapped: RB C0000002, RO C0000001",
        ),
    ],
)
def test_how_a_concept_goes(history: list[dict[str, str]], wanted: str, tmp_path: Path) -> None:
    tables = small_release()
    tables["MRCONSO"] = [row for row in tables["MRCONSO"] if row["CUI"] != "C0000005"]
    tables["MRCUI"] = history
    paths = (
        write_release(tmp_path / "old", small_release()),
        write_release(tmp_path / "new", tables),
    )
    assert compare_releases(paths, tmp_path)[1]["C0000005"] == wanted


def test_a_concept_that_the_filters_leave_out(tmp_path: Path) -> None:
    tables = small_release()
    tables["MRCONSO"] = [
        row | {"LAT": "SPA"} if row["CUI"] == "C0000005" else row for row in tables["MRCONSO"]
    ]
    paths = (
        write_release(tmp_path / "old", small_release()),
        write_release(tmp_path / "new", tables),
    )
    assert compare_releases(paths, tmp_path)[1]["C0000005"] == "left out: "


def test_contents_that_are_gone_are_one_line(tmp_path: Path) -> None:
    graph = contents_of(write_release(tmp_path, small_release()), tmp_path / "files")
    (graph.contents / "facts.parquet").unlink()
    with pytest.raises(BaliError, match=r"cannot be compared.*facts\.parquet") as failure:
        compare(graph, graph, tmp_path / "concepts.csv", tmp_path / "scratch")
    assert "\n" not in str(failure.value)
