from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.loaders.umls.small import Tables, atom, next_small_release, small_release, write_release

from bali_loaders.releases import Release, synthetic
from bali_loaders.umls import CodeChanges, compare_codes
from bali_platform.base.errors import UsageError
from bali_platform.base.settings import Settings

Change = tuple[str, str, str]


def compared(tmp_path: Path, old: Tables, new: Tables) -> tuple[CodeChanges, dict[Change, str]]:
    """Return the counts, and each change's new value."""
    sides = [str(write_release(tmp_path / age, t)) for age, t in (("old", old), ("new", new))]
    listing = tmp_path / "codes.csv"
    found = compare_codes(*sides, Settings(home=tmp_path / "home"), listing=listing)
    assert list((tmp_path / "home").iterdir()) == []
    with listing.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return found, {(r["source"], r["code"], r["change"]): r["new_value"] for r in rows}


def test_each_kind_of_change_is_told(tmp_path: Path) -> None:
    new = next_small_release()
    kept = [row for row in new["MRCONSO"] if row["AUI"] not in ("A1", "A2", "A5")]
    new["MRCONSO"] = [
        *kept,
        atom("C0000001", "A1", "Infarction"),
        atom("C0000006", "A2", "Heart attack"),
        atom("C0000002", "A5", "Heart disease"),
    ]
    old = small_release()
    old["MRCONSO"].append(atom("C0000005", "A20", "Pump", "S2"))
    new["MRCONSO"].append(atom("C0000004", "A20", "Pump", "S2"))
    found, changes = compared(tmp_path, old, new)
    assert changes == {
        ("S1", "A1", "renamed"): "Infarction",
        ("S1", "A2", "moved"): "C0000006",
        ("S1", "A5", "retyped"): "T047",
        ("S1", "A9", "retired"): "C0000004",
        ("S1", "A11", "new"): "C0000006",
        ("S2", "A3", "retired"): "C0000001",
        ("S2", "A12", "new"): "C0000004",
        ("S2", "A20", "merged"): "C0000004",
        ("S1", "A2", "retyped"): "",
    }
    assert found.sources["S2"] == {"before": 2, "after": 2, "new": 1, "retired": 1, "merged": 1}
    assert (found.old.release, found.new.release) == ("2031AA", "2031AA")
    assert found.old.version != found.new.version


def test_where_a_retired_code_went(tmp_path: Path) -> None:
    new = small_release()
    new["MRCONSO"] = [row for row in new["MRCONSO"] if row["AUI"] != "A1"]
    _, changes = compared(tmp_path, small_release(), new)
    assert changes == {("S1", "A1", "retired"): "C0000001: A2"}


def codes_in_use(path: Path) -> set[tuple[str, str]]:
    with Release.open(path) as release:
        rows = list(release.rows("MRCONSO"))
    return {(row["SAB"], row["CODE"]) for row in rows if row["SUPPRESS"] == "N"}


def test_two_editions_differ_in_what_a_slow_reading_finds(tmp_path: Path) -> None:
    paths = [tmp_path / "first", tmp_path / "second"]
    for edition, path in enumerate(paths):
        synthetic.write(path, concepts=600, edition=edition)
    listing = tmp_path / "codes.json"
    settings = Settings(home=tmp_path / "home")
    found = compare_codes(*map(str, paths), settings, listing=listing)
    before, after = map(codes_in_use, paths)
    told = json.loads(listing.read_text(encoding="utf-8"))
    by_change = {
        change: {(row["source"], row["code"]) for row in told if row["change"] == change}
        for change in ("new", "retired")
    }
    assert by_change == {"new": after - before, "retired": before - after}
    assert sum(counts.get("after", 0) for counts in found.sources.values()) == len(after)
    same = compare_codes(str(paths[0]), str(paths[0]), settings)
    assert same.old == same.new
    assert all(counts.keys() == {"before", "after"} for counts in same.sources.values())


def test_a_side_that_is_nothing(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    with pytest.raises(UsageError, match="live graph has no list of its codes"):
        compare_codes("live", "live", settings)
    with pytest.raises(UsageError, match="nowhere"):
        compare_codes(str(tmp_path / "nowhere"), "live2", settings)
