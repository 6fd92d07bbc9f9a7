"""The open release, built from miniature sources written here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from bali_loaders.releases import Release
from bali_loaders.releases import open as open_release
from bali_loaders.releases.identifiers import Numbering
from bali_loaders.releases.open.concepts import group_terms
from bali_loaders.releases.open.semantics import most_specific
from bali_loaders.releases.open.terms import Source, SourceInfo, Term
from bali_platform.base.errors import BaliError, UsageError

HPO = r"""format-version: 1.2
data-version: hp/releases/2030-01-02

[Term]
id: HP:0000118
name: Phenotypic abnormality
xref: UMLS:C4021819

[Term]
id: HP:0000518
name: Cataract
alt_id: HP:0000999
def: "A \"cloudy\" lens | of the eye." [PMID:1]
synonym: "Clouding of the lens" EXACT layperson []
synonym: "Lens disease" BROAD []
synonym: "CAT" EXACT abbreviation []
synonym: "Old cataract" EXACT obsolete_synonym []
xref: MSH:D002386
xref: UMLS:C0086543
xref: UMLS:C1510497
is_a: HP:0000118 ! Phenotypic abnormality
creation_date: 2020-02-03T04:05:06Z

[Term]
id: HP:0000519
name: Developmental cataract
xref: MSH:D002386
xref: UMLS:C0086543
is_a: HP:0000518 ! Cataract

[Term]
id: HP:0000111
name: obsolete Lenticular clouding
is_obsolete: true
replaced_by: HP:0000518

[Term]
id: HP:0000007
name: Autosomal recessive inheritance
is_a: HP:0000005

[Term]
id: HP:0000005
name: Mode of inheritance

[Typedef]
id: part_of
name: part of
"""

HPOA = [
    "#version: 2030-01-03",
    "database_id\tdisease_name\tqualifier\thpo_id\treference\tevidence\tonset\tfrequency\tsex\t"
    "modifier\taspect\tbiocuration",
    "OMIM:1\tX\t\tHP:0000518\tr\te\t\t1/2\t\t\tP\tb",
    "OMIM:1\tX\t\tHP:0000518\tother\te\t\t\t\t\tP\tb",
    "OMIM:1\tX\tNOT\tHP:0000519\tr\te\t\t\t\t\tP\tb",
    "OMIM:1\tX\t\tHP:0000007\tr\te\t\t\t\t\tI\tb",
    "OMIM:404\tY\t\tHP:0000518\tr\te\t\t\t\t\tP\tb",
]

MONDO = [
    {"id": "0000001", "name": "disease"},
    {
        "id": "0005129",
        "name": "cataract",
        "synonyms": ["cataract (disease)"],
        "xrefs": [
            {"namespace": "DOID", "id": "83"},
            {"namespace": "MESH", "id": "D002386"},
            {"namespace": "UMLS", "id": "C0086543"},
        ],
        "relations": {"is_a": ["0000001"]},
    },
    {
        "id": "0000100",
        "name": "nanophthalmos with cataract",
        "xrefs": [{"namespace": "OMIM", "id": "1"}],
        "relations": {"is_a": ["0000001"], "disease_has_feature": ["0005129"]},
    },
]
DOID = [
    {"id": "DOID:4", "name": "disease"},
    {
        "id": "DOID:83",
        "name": "cataract",
        "xrefs": [{"namespace": "UMLS_CUI", "id": "C0086543"}],
        "relations": {"is_a": ["DOID:4"]},
    },
]
EFO = [
    {"id": "0001444", "name": "measurement"},
    {"id": "0000009", "name": "CS57543"},
    {
        "id": "0001059",
        "name": "lens opacity",
        "xrefs": [{"namespace": "MeSH", "id": "D002386"}],
        "relations": {"is_a": ["0001444"]},
    },
]
MESH = [
    "D005128\tEye Diseases\tDiseases, Eye|Eye Disease\tC11\t",
    "D007905\tLens Diseases\t\tC11.510\t",
    "D002386\tCataract\tCataracts\tC11.510.245|C23.888.099\t",
    "D005123\tEye\tEyes\tA01.456.505.420\t",
]


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resources")
    (folder / "hp.obo").write_text(HPO)
    (folder / "phenotype.hpoa").write_text("\n".join(HPOA) + "\n")
    for name, table in (("mondo", MONDO), ("doid", DOID), ("efo", EFO)):
        (folder / f"{name}.json").write_text(json.dumps(table))
    (folder / "mesh_id_label_mappings.tsv").write_text("\n".join(MESH) + "\n")
    return folder


@pytest.fixture(scope="module")
def release(resources: Path) -> Iterator[Release]:
    folder = resources.parent / "open"
    open_release.write(folder, resources)
    with Release.open(folder) as opened:
        yield opened


def cui_of(release: Release, code: str) -> str:
    return {row["CODE"]: row["CUI"] for row in release.rows("MRCONSO")}[code]


def facts(release: Release) -> set[tuple[str, str, str, str]]:
    """(what CUI2 is, REL, RELA, what CUI1 is): the direction of the manual, by preferred name."""
    preferred = {
        row["CUI"]: row["STR"]
        for row in release.rows("MRCONSO")
        if (row["TS"], row["STT"], row["ISPREF"]) == ("P", "PF", "Y")
    }
    return {
        (preferred[row["CUI2"]], row["REL"], row["RELA"], preferred[row["CUI1"]])
        for row in release.rows("MRREL")
    }


def test_terms_meet_in_the_concept_that_they_all_name(release: Release) -> None:
    members = {(r["SAB"], r["CODE"]) for r in release.rows("MRCONSO") if r["CUI"] == "C0086543"}
    assert members == {
        ("HPO", "HP:0000518"),
        ("MONDO", "MONDO:0005129"),
        ("DOID", "DOID:83"),
        ("MSH", "D002386"),
        ("EFO", "EFO:0001059"),
    }


def test_a_name_that_another_source_gives_decides_between_two_claims(release: Release) -> None:
    assert cui_of(release, "HP:0000518") == "C0086543"
    assert cui_of(release, "HP:0000519") >= "C8000000"


def test_a_second_identifier_leads_to_the_concept(release: Release) -> None:
    (retired,) = release.rows("MRCUI")
    assert (retired["CUI1"], retired["REL"], retired["CUI2"]) == ("C1510497", "SY", "C0086543")
    assert retired["MAPIN"] == "Y"


def test_terms_without_identifiers_get_one_from_the_documented_range(release: Release) -> None:
    made_up = cui_of(release, "MONDO:0000100")
    assert "C8000000" <= made_up <= "C8999999"


def test_equal_names_join(release: Release) -> None:
    assert cui_of(release, "MONDO:0000001") == cui_of(release, "DOID:4")


def test_terms_of_unknown_type_are_left_out(release: Release) -> None:
    assert "CS57543" not in {row["STR"] for row in release.rows("MRCONSO")}
    assert "Left out: 1 concepts" in (release.path / "README.txt").read_text()


def test_every_kind_of_name_gets_its_term_type(release: Release) -> None:
    kinds = {
        row["STR"]: (row["TTY"], row["SUPPRESS"])
        for row in release.rows("MRCONSO")
        if row["SAB"] in ("HPO", "MSH")
    }
    assert kinds["Clouding of the lens"] == ("SY", "N")
    assert kinds["Lens disease"] == ("ET", "N")
    assert kinds["CAT"] == ("AB", "Y")
    assert kinds["Old cataract"] == ("IS", "O")
    assert kinds["Lenticular clouding"] == ("OP", "O")
    assert kinds["Eye Diseases"] == ("MH", "N")
    assert kinds["Diseases, Eye"] == ("PM", "N")
    assert kinds["Eye Disease"] == ("ET", "N")


def test_one_atom_of_a_concept_is_preferred_and_it_has_the_highest_rank(release: Release) -> None:
    rank = {(row["SAB"], row["TTY"]): row["RANK"] for row in release.rows("MRRANK")}
    rows = list(release.rows("MRCONSO"))
    for cui in {row["CUI"] for row in rows}:
        own = [row for row in rows if row["CUI"] == cui]
        top = [r for r in own if (r["TS"], r["STT"], r["ISPREF"]) == ("P", "PF", "Y")]
        assert len(top) == 1
        best = max(rank[row["SAB"], row["TTY"]] for row in own)
        assert rank[top[0]["SAB"], top[0]["TTY"]] == best


def test_facts_read_from_the_second_concept_to_the_first(release: Release) -> None:
    found = facts(release)
    assert ("Developmental cataract", "CHD", "isa", "Cataract") in found
    assert ("Cataract", "CHD", "isa", "Phenotypic abnormality") in found
    assert ("Phenotypic abnormality", "PAR", "inverse_isa", "Cataract") in found
    assert ("Lens Diseases", "CHD", "", "Eye Diseases") in found
    disease = "nanophthalmos with cataract"
    assert (disease, "RO", "disease_has_feature", "Cataract") in found
    assert (disease, "RO", "has_manifestation", "Cataract") in found
    assert ("Cataract", "RO", "manifestation_of", disease) in found
    assert (disease, "RO", "has_inheritance_type", "Autosomal recessive inheritance") in found
    assert ("Developmental cataract", "RQ", "mapped_to", "Cataract") in found


def test_negated_and_unknown_annotations_state_nothing(release: Release) -> None:
    rows = [row for row in release.rows("MRREL") if row["SAB"] == "HPOA"]
    assert len(rows) == 2 * 2
    assert {(row["AUI1"], row["STYPE1"], row["AUI2"]) for row in rows} == {("", "CUI", "")}


def test_every_relation_has_its_inverse(release: Release) -> None:
    inverse = {
        (row["DOCKEY"], row["VALUE"]): row["EXPL"]
        for row in release.rows("MRDOC")
        if row["TYPE"] in ("rel_inverse", "rela_inverse")
    }
    rows = {
        (r["SAB"], r["CUI1"], r["AUI1"], r["REL"], r["RELA"], r["CUI2"], r["AUI2"])
        for r in release.rows("MRREL")
    }
    for sab, cui1, aui1, rel, rela, cui2, aui2 in rows:
        back = (inverse["REL", rel], inverse["RELA", rela])
        assert (sab, cui2, aui2, *back, cui1, aui1) in rows


def test_relations_name_atoms_of_their_concepts(release: Release) -> None:
    concept = {row["AUI"]: row["CUI"] for row in release.rows("MRCONSO")}
    for row in release.rows("MRREL"):
        if row["SAB"] != "HPOA":
            assert (concept[row["AUI1"]], concept[row["AUI2"]]) == (row["CUI1"], row["CUI2"])


def test_definitions_types_and_attributes(release: Release) -> None:
    (definition,) = release.rows("MRDEF")
    assert definition["DEF"] == 'A "cloudy" lens of the eye.'
    assert definition["CUI"] == "C0086543"
    types = {(row["CUI"], row["TUI"], row["STY"]) for row in release.rows("MRSTY")}
    assert ("C0086543", "T047", "Disease or Syndrome") in types
    assert ("C0086543", "T184", "Sign or Symptom") in types
    assert ("C4021819", "T033", "Finding") in types
    attributes = {(row["CODE"], row["ATN"], row["ATV"]) for row in release.rows("MRSAT")}
    assert ("HP:0000518", "SECONDARY_ID", "HP:0000999") in attributes
    assert ("HP:0000518", "DATE_CREATED", "2020-02-03") in attributes
    assert ("MONDO:0000100", "XREF", "OMIM:1") in attributes
    assert ("D002386", "MN", "C23.888.099") in attributes


def test_hierarchies_lead_from_the_root(release: Release) -> None:
    heading = {r["AUI"]: r["STR"] for r in release.rows("MRCONSO") if r["TTY"] == "MH"}
    paths = {
        r["HCD"]: [heading[aui] for aui in r["PTR"].split(".") if aui]
        for r in release.rows("MRHIER")
    }
    assert paths["C11.510.245"] == ["Eye Diseases", "Lens Diseases"]
    assert paths["C11"] == []


def test_every_source_is_described_with_its_licence(release: Release) -> None:
    counts = {row["RSAB"]: (int(row["TFR"]), int(row["CFR"])) for row in release.rows("MRSAB")}
    rows = list(release.rows("MRCONSO"))
    for sab, (atoms, concepts) in counts.items():
        own = [row for row in rows if row["SAB"] == sab]
        assert (atoms, concepts) == (len(own), len({row["CUI"] for row in own}))
    assert counts.keys() == {"HPO", "HPOA", "MONDO", "DOID", "EFO", "MSH", "SRC"}
    readme = (release.path / "README.txt").read_text()
    assert "Human Phenotype Ontology, 2030-01-02" in readme
    assert "CC BY 4.0" in readme


def test_mrfiles_counts_are_right(release: Release) -> None:
    assert "MRCOLS" in release.files
    assert release.missing == ()
    for file in release.files.values():
        (path,) = release.local(file.name)
        text = path.read_bytes()
        assert (file.rows_claimed, file.bytes_claimed) == (text.count(b"\n"), len(text)), file


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_sources_give_the_same_bytes(
    release: Release, resources: Path, tmp_path: Path
) -> None:
    open_release.write(tmp_path / "again", resources)
    assert digest(tmp_path / "again") == digest(release.path)


def test_a_folder_in_use_is_left_alone(resources: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="is not empty"):
        open_release.write(tmp_path, resources)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_failure_leaves_nothing(resources: Path, tmp_path: Path) -> None:
    broken = tmp_path / "resources"
    broken.mkdir()
    for file in resources.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    (broken / "efo.json").write_text('[{"id": "1"}]')
    with pytest.raises(BaliError, match=r"efo\.json: not the table expected"):
        open_release.write(tmp_path / "release", broken)
    assert [path.name for path in tmp_path.iterdir()] == ["resources"]


def source(sab: str, *terms: Term) -> Source:
    return Source(SourceInfo(sab, sab, "1", "", "", ""), {term.code: term for term in terms})


def test_a_link_never_joins_two_identified_concepts_or_two_terms_of_a_source() -> None:
    grouping = group_terms(
        [
            source("HPO", Term("HPO", "1", "a", concept_xrefs=["C0000001"], xrefs=[("MSH", "9")])),
            source("MONDO", Term("MONDO", "1", "b", concept_xrefs=["C0000002"])),
            source("MSH", Term("MSH", "9", "b"), Term("MSH", "8", "a")),
        ],
        Numbering("C", digits=7, first=8_000_000, size=1_000_000),
    )
    assert grouping.cui["MSH", "9"] == "C0000001"
    assert grouping.cui["MONDO", "1"] == "C0000002"
    assert grouping.cui["MSH", "8"] >= "C8000000"
    assert grouping.related == ()


def test_colliding_numbers_stay_distinct_and_stable() -> None:
    first, second = (Numbering("X", digits=2, size=50) for _ in range(2))
    keys = [f"key {number}" for number in range(50)]
    numbers = [first(key) for key in keys]
    assert len(set(numbers)) == 50
    assert [second(key) for key in keys] == numbers
    with pytest.raises(BaliError, match="no identifier starting with X is left"):
        first("one more")


def test_a_type_above_another_is_dropped() -> None:
    assert most_specific(["T071", "T047", "T046", "T190"]) == ["T047", "T190"]
