from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import pytest

from bali_loaders.releases import Release, synthetic
from bali_loaders.releases.rrf import scan_sql
from bali_platform.base.errors import UsageError

Row = dict[str, str]
CONCEPTS = 52_000


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    folder = synthetic.write(tmp_path_factory.mktemp("small") / "2030AA", concepts=300)
    with Release.open(folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def names(release: Release) -> list[Row]:
    return list(release.rows("MRCONSO"))


@pytest.fixture(scope="module")
def relations(release: Release) -> list[Row]:
    return list(release.rows("MRREL"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Crosses a chunk of the generator."""
    folder = tmp_path_factory.mktemp("large") / "release"
    with Release.open(synthetic.write(folder, concepts=CONCEPTS, seed=3)) as opened:
        yield opened


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_arguments_give_the_same_bytes(release: Release, tmp_path: Path) -> None:
    assert digests(synthetic.write(tmp_path / "again", concepts=300)) == digests(release.path)
    other = digests(synthetic.write(tmp_path / "other", concepts=300, seed=1))
    assert other["META/MRCONSO.RRF"] != digests(release.path)["META/MRCONSO.RRF"]


def test_mrfiles_and_mrcols_agree_with_an_independent_count(release: Release) -> None:
    lengths: dict[tuple[str, str], list[int]] = defaultdict(list)
    for file in release.files.values():
        (path,) = release.local(file.name)
        text = path.read_bytes()
        if file.name == "NET/SRFIL":
            continue
        assert (file.rows_claimed, file.bytes_claimed) == (text.count(b"\n"), len(text)), file
        for line in text.decode().splitlines() if not file.name.startswith("NET/") else ():
            for column, value in zip(file.columns, line.split("|"), strict=False):
                lengths[f"{file.name}.RRF", column].append(len(value))
    for row in release.rows("MRCOLS"):
        found = lengths.get((row["FIL"], row["COL"]), [0])
        assert (int(row["MIN"]), int(row["MAX"])) == (min(found), max(found)), row
        assert float(row["AV"]) == pytest.approx(sum(found) / len(found), abs=0.006), row


def test_every_relation_has_its_inverse_or_is_stated_once(
    release: Release, relations: list[Row]
) -> None:
    inverse = {
        (row["DOCKEY"], row["VALUE"]): row["EXPL"]
        for row in release.rows("MRDOC")
        if row["TYPE"] in ("rel_inverse", "rela_inverse")
    }
    rows = Counter(
        (r["SAB"], r["CUI1"], r["AUI1"], r["REL"], r["RELA"], r["CUI2"], r["AUI2"])
        for r in relations
    )
    alone = sum(
        count
        for (sab, cui1, aui1, rel, rela, cui2, aui2), count in rows.items()
        if (sab, cui2, aui2, inverse["REL", rel], inverse["RELA", rela], cui1, aui1) not in rows
    )
    assert 0 < alone < 0.03 * len(relations)


def test_children_are_the_second_concept_of_chd(relations: list[Row]) -> None:
    for row in relations:
        if row["REL"] == "CHD":
            assert row["CUI2"] > row["CUI1"], "parents come first in the generator"
            assert row["RELA"] in ("isa", "")


def test_one_atom_is_preferred_in_each_language_and_it_has_the_highest_rank(
    release: Release, names: list[Row]
) -> None:
    rank = {(row["SAB"], row["TTY"]): int(row["RANK"]) for row in release.rows("MRRANK")}
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in names:
        groups[row["CUI"], row["LAT"]].append(row)
    for group in groups.values():
        (top,) = (r for r in group if (r["TS"], r["STT"], r["ISPREF"]) == ("P", "PF", "Y"))
        best = max(rank[row["SAB"], row["TTY"]] for row in group)
        assert rank[top["SAB"], top["TTY"]] == best
        assert len({row["LUI"] for row in group if row["TS"] == "P"}) == 1
        for key, flag in (("LUI", ("STT", "PF")), ("SUI", ("ISPREF", "Y"))):
            for value in {row[key] for row in group}:
                flagged = {
                    row["SUI" if key == "LUI" else "AUI"]
                    for row in group
                    if row[key] == value and row[flag[0]] == flag[1]
                }
                assert len(flagged) == 1, (key, value)


def test_a_string_of_a_language_has_one_sui(names: list[Row]) -> None:
    pairs = {(row["SUI"], (row["LAT"], row["STR"])) for row in names}
    assert len(pairs) == len({sui for sui, _ in pairs}) == len({text for _, text in pairs})


def test_identifiers_are_unique(release: Release, names: list[Row], relations: list[Row]) -> None:
    assert len({row["AUI"] for row in names}) == len(names)
    assert len({row["RUI"] for row in relations}) == len(relations)
    atuis = [r["ATUI"] for name in ("MRSTY", "MRDEF", "MRSAT") for r in release.rows(name)]
    assert len(set(atuis)) == len(atuis)


def test_everything_refers_to_something(
    release: Release, names: list[Row], relations: list[Row]
) -> None:
    concept = {row["AUI"]: row["CUI"] for row in names}
    live = set(concept.values())
    for row in relations:
        assert row["CUI1"] in live
        assert row["CUI2"] in live
        if row["STYPE1"] == "AUI":
            assert concept[row["AUI1"]] == row["CUI1"]
            assert concept[row["AUI2"]] == row["CUI2"]
    for name in ("MRSTY", "MRDEF", "MRSAT", "MRHIER"):
        for row in release.rows(name):
            assert row["CUI"] in live
            if row.get("AUI"):
                assert concept[row["AUI"]] == row["CUI"]
    assert {row["CUI"] for row in release.rows("MRSTY")} == live


def test_the_oddities_of_the_real_files_are_all_there(
    release: Release, names: list[Row], relations: list[Row]
) -> None:
    texts = [row["STR"] for row in names]
    assert any('"' in text for text in texts)
    assert any(text.endswith("\\") for text in texts)
    assert max(map(len, texts)) == 3000
    assert any("\u0400" < text[0] < "\u04ff" for text in texts), "Cyrillic"
    assert any("\u4e00" < text[0] < "\u9fff" for text in texts), "Han"
    assert {row["SUPPRESS"] for row in names} == set("NOEY")
    assert "NOCODE" in {row["CODE"] for row in names}
    languages: dict[str, set[str]] = defaultdict(set)
    suppressions: dict[str, set[str]] = defaultdict(set)
    owners: dict[tuple[str, str], set[str]] = defaultdict(set)
    homonyms: dict[str, set[str]] = defaultdict(set)
    for row in names:
        languages[row["CUI"]].add(row["LAT"])
        suppressions[row["CUI"]].add(row["SUPPRESS"])
        homonyms[row["STR"]].add(row["CUI"])
        if row["CODE"] != "NOCODE":
            owners[row["SAB"], row["CODE"]].add(row["CUI"])
    assert any("ENG" not in spoken for spoken in languages.values())
    assert {"O"} in suppressions.values()
    assert any(len(cuis) > 1 for cuis in owners.values())
    assert any(len(cuis) > 1 for cuis in homonyms.values())
    assert any(row["CUI1"] == row["CUI2"] for row in relations)
    assert any(row["REL"] == "SIB" for row in relations)
    assert any(row["AUI1"] == "" for row in relations)
    facts: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in relations:
        facts[row["CUI1"], row["REL"], row["RELA"], row["CUI2"]].add(row["SAB"])
    assert any(len(sources) > 1 for sources in facts.values())
    relas = "".join(row["RELA"] for row in release.rows("MRREL"))
    assert not set("-()/'`\" $%.:,;&").difference(relas)
    assert release.files["MRAUI"].rows_claimed == 0
    assert len({row["MAPSETCUI"] for row in release.rows("MRMAP")}) == 3


def test_hubs_have_more_neighbours_than_one_looks_at(relations: list[Row]) -> None:
    degree = Counter(row["CUI1"] for row in relations)
    assert min(degree[f"C{1_000_000 + hub}"] for hub in range(5)) >= 100


def test_retired_concepts_have_every_fate(release: Release, names: list[Row]) -> None:
    live = {row["CUI"] for row in names}
    fates: dict[str, list[Row]] = defaultdict(list)
    for row in release.rows("MRCUI"):
        assert row["CUI1"] not in live
        assert (row["MAPIN"] == "Y") == (row["CUI2"] in live)
        fates[row["CUI1"]].append(row)
    assert {row["REL"] for rows in fates.values() for row in rows} == {
        "DEL",
        "SY",
        "RB",
        "RN",
        "RO",
    }
    assert any(len(rows) == 3 for rows in fates.values())
    chained = {row["CUI2"] for rows in fates.values() for row in rows if row["MAPIN"] == "N"}
    assert chained <= fates.keys()
    assert {row["PCUI"] for row in release.rows("CHANGE/MERGEDCUI")} <= fates.keys()
    assert {row["PCUI"] for row in release.rows("CHANGE/DELETEDCUI")} <= fates.keys()


def test_sources_are_counted(release: Release, names: list[Row]) -> None:
    atoms = Counter(row["SAB"] for row in names)
    concepts = Counter(sab for sab, _ in {(row["SAB"], row["CUI"]) for row in names})
    for row in release.rows("MRSAB"):
        assert (int(row["TFR"]), int(row["CFR"])) == (atoms[row["RSAB"]], concepts[row["RSAB"]])
    licences = {row["RSAB"]: row["SRL"] for row in release.rows("MRSAB")}
    assert all(licences[row["SAB"]] == row["SRL"] for row in names)


def test_paths_lead_to_the_root(release: Release, relations: list[Row]) -> None:
    parent = {row["CUI1"]: row["CUI2"] for row in relations if row["REL"] == "PAR"}
    concept = {row["AUI"]: row["CUI"] for row in release.rows("MRCONSO")}
    for row in release.rows("MRHIER"):
        path = [concept[aui] for aui in row["PTR"].split(".") if aui]
        assert (concept[row["PAUI"]] if row["PAUI"] else None) == (path[-1] if path else None)
        climbed = row["CUI"]
        for above in reversed(path):
            assert parent.get(climbed, above) == above
            climbed = above
        assert climbed == "C1000000"


def test_the_semantic_network_holds_the_types_used(release: Release) -> None:
    types = {r["UI"]: r["STN_RTN"] for r in release.rows("NET/SRDEF") if r["RT"] == "STY"}
    assert all(types[row["TUI"]] == row["STN"] for row in release.rows("MRSTY"))
    inherited = {(r["UI1"], r["UI2"], r["UI3"]) for r in release.rows("NET/SRSTRE1")}
    assert ("T191", "T186", "T051") in inherited, "Neoplastic Process isa ... Event"
    assert ("T195", "T154", "T191") in inherited, "Antibiotic treats what is below disease"


def test_statistics_are_those_of_the_umls(large: Release) -> None:
    with duckdb.connect() as database:
        for name in ("MRCONSO", "MRREL"):
            scan = scan_sql(large.local(name), large.files[name].columns)
            database.sql(f"FROM {scan}").to_table(name)

        def number(query: str) -> float:
            return float(database.sql(query).fetchall()[0][0])

        assert number("SELECT count(DISTINCT CUI) FROM MRCONSO") == CONCEPTS
        assert 4.7 < number("SELECT count(*) FROM MRCONSO") / CONCEPTS < 5.2
        assert number("SELECT count(*) FROM MRREL") / CONCEPTS > 45 / 3.4
        assert number("SELECT count(DISTINCT RELA) FROM MRREL") > 950
        assert number("SELECT count(DISTINCT SAB) FROM MRCONSO") == 180
        assert number("SELECT count(DISTINCT LAT) FROM MRCONSO") == 25
        hub = number("SELECT count(*) FROM MRREL WHERE CUI1 = 'C1000000'")
        assert hub > 100_000 * CONCEPTS / 3_400_000
        database.sql("SELECT count(*) AS degree FROM MRREL GROUP BY CUI1").to_table("degrees")
        assert number("SELECT median(degree) FROM degrees") < 20


def said_of(concepts: set[str], ends: list[str], rows: Iterable[Row]) -> set[tuple[str, ...]]:
    """Return the rows about ``concepts`` alone, without the numbers of rows."""
    return {
        tuple(value for column, value in row.items() if column not in ("RUI", "SRUI", "ATUI"))
        for row in rows
        if {row[end] for end in ends} <= concepts
    }


def test_the_next_edition_changes_little(
    tmp_path: Path, release: Release, names: list[Row]
) -> None:
    folder = synthetic.write(tmp_path / "next", concepts=300, edition=1)
    with Release.open(folder) as following:
        assert following.version == "2030AB"
        old = {row["AUI"]: (row["CUI"], row["STR"]) for row in names}
        new = {row["AUI"]: (row["CUI"], row["STR"]) for row in following.rows("MRCONSO")}
        retired = {row[0] for row in old.values()} - {row[0] for row in new.values()}
        added = {row[0] for row in new.values()} - {row[0] for row in old.values()}
        assert retired == {"C1000052"}
        assert added == {f"C{1_000_300 + number}" for number in range(7)}
        moved = {aui for aui in old if old[aui] != new.get(aui)}
        assert {new[aui][0] for aui in moved} == {"C1000053"}, "merged into the next concept"
        (merged,) = following.rows("CHANGE/MERGEDCUI")
        assert (merged["PCUI"], merged["CUI"]) == ("C1000052", "C1000053")
        live = {row[0] for row in new.values()}
        stay = live - added
        for file, ends in (("MRSTY", ["CUI"]), ("MRDEF", ["CUI"]), ("MRREL", ["CUI1", "CUI2"])):
            rows = list(following.rows(file))
            assert all({row[end] for end in ends} <= live for row in rows)
            assert said_of(stay, ends, release.rows(file)) <= said_of(stay, ends, rows)


@pytest.mark.parametrize(
    "arguments", [{"concepts": 10}, {"concepts": 10**8}, {"seed": -1}, {"edition": -1}]
)
def test_impossible_sizes_are_refused(tmp_path: Path, arguments: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        synthetic.write(tmp_path / "release", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """No file may grow beyond 100 kB here, which fails as a full disk does."""
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from bali_loaders.releases import synthetic\n"
        "from bali_platform.base.errors import BaliError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: synthetic.write(Path(sys.argv[1]), concepts=2000)\n"
        "except BaliError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "release")]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.startswith("cannot write ")
    assert result.stdout.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
