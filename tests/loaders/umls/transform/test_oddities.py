"""What the real files have that a tidy mind would not expect, on made-up rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.loaders.umls.small import (
    Graph,
    Tables,
    atom,
    ranks,
    relation,
    run_transform,
    small_release,
    source,
    write_release,
)

from bali_loaders.umls import PRESETS, LoadOptions, Report

ONE, TWO, THREE, FIVE = "C0000001", "C0000002", "C0000003", "C0000005"
RELS = ("CHD", "RN", "RO", "RQ", "SIB", "SY")
TEXTS = ['"Death" of muscle', 'so-called ""quotes""', "a \\ in it", 'ends with "', "\\N"]


def retired(cui: str, rel: str, target: str, here: str) -> dict[str, str]:
    return {"CUI1": cui, "VER": "2020AA", "REL": rel, "CUI2": target, "MAPIN": here}


def odd_release() -> Tables:
    atoms = {"AUI1": "A5", "STYPE1": "AUI", "AUI2": "A1", "STYPE2": "SCUI", "RUI": "R1"}
    concepts = {"STYPE1": "CUI", "STYPE2": "CUI", "RUI": "R2"}
    return small_release() | {
        "MRSAB": [source("S1"), source("MTH"), source("HPOA")],
        "MRRANK": ranks("MTH/PN", "S1/PT", "S1/SY", "S1/PM"),
        "MRCONSO": [
            atom(ONE, "A1", "Cold", CODE="D009203"),
            atom(ONE, "A2", "Infarction, Myocardial", tty="PM"),
            atom(ONE, "A3", "Cold", "MTH", "PN", CODE="NOCODE"),
            atom(TWO, "A4", "Cold", CODE="D009203"),
            atom(TWO, "A5", "cold", tty="SY"),
            atom(TWO, "A6", "Cold <2>", "MTH", "PN", CODE="NOCODE"),
            atom(FIVE, "A7", "Heart"),
        ],
        "MRREL": [
            relation(TWO, "CHD", ONE, "isa", **atoms, DIR="Y"),
            relation(TWO, "CHD", ONE, "isa", **concepts),
            relation(ONE, "PAR", TWO, "inverse_isa", **concepts, DIR="N"),
            *(relation(FIVE, rel, ONE) for rel in RELS),
            relation(ONE, "SIB", ONE),
            relation(ONE, "CHD", ONE, "isa", SUPPRESS="O"),
            relation(FIVE, "RO", TWO, "part_of", "HPOA"),
            relation(FIVE, "RO", TWO, "part_of"),
            relation(ONE, "RO", TWO, "part_of", "HPOA"),
        ],
        "MRDEF": [
            {"CUI": ONE, "ATUI": f"AT{n}", "SAB": "S1", "DEF": text} for n, text in enumerate(TEXTS)
        ],
        "MRCUI": [
            retired("C0000090", "RO", ONE, "Y"),
            retired("C0000090", "RN", TWO, "Y"),
            retired("C0000090", "RB", "C9999999", "N"),
            retired("C0000091", "SY", "C9999999", "N"),
        ],
        "CHANGE/MERGEDCUI": [],
        "CHANGE/DELETEDCUI": [],
    }


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Report]:
    folder = tmp_path_factory.mktemp("odd")
    path = write_release(folder / "in", odd_release())
    return run_transform(path, folder / "out", LoadOptions(siblings=True))


def test_relations_of_atoms_and_of_concepts_state_one_fact(odd: tuple[Graph, Report]) -> None:
    graph, _ = odd
    assert graph.facts[ONE, "ISA", TWO] == ("CHD", "isa", ("S1",))


def test_relations_without_a_rela_are_named_by_their_rel(odd: tuple[Graph, Report]) -> None:
    graph, _ = odd
    found = {key: fact for key, fact in graph.facts.items() if {key[0], key[2]} == {ONE, FIVE}}
    assert found == {(ONE, rel, FIVE): (rel, "", ("S1",)) for rel in RELS}


def test_relations_are_all_accounted_for(odd: tuple[Graph, Report]) -> None:
    _, report = odd
    assert report.files["MRREL"] == {"kept": 9, "merged": 3, "self-loop": 2}


def test_a_source_may_relate_concepts_and_name_none(odd: tuple[Graph, Report]) -> None:
    graph, report = odd
    assert graph.facts[FIVE, "HAS_PART", TWO][2] == ("HPOA", "S1")
    assert {k: graph.sources["HPOA"][k] for k in ("atoms", "facts")} == {"atoms": "0", "facts": "2"}
    assert report.facts_by_source == {"HPOA": 2, "S1": 8}


def test_one_code_may_stand_for_two_concepts_and_for_none(odd: tuple[Graph, Report]) -> None:
    graph, _ = odd
    coded = {(cui, graph.atoms[aui]["code"]) for cui, aui in graph.has_atom}
    assert coded >= {(ONE, "D009203"), (TWO, "D009203"), (ONE, "NOCODE"), (TWO, "NOCODE")}


def test_homonyms_and_permuted_names_are_names(odd: tuple[Graph, Report]) -> None:
    graph, report = odd
    assert graph.names(ONE) == ["Cold", "Infarction, Myocardial"]
    assert graph.names(TWO) == ["Cold <2>", "Cold", "cold"]
    assert report.names == 6


def test_retired_concepts_have_several_maps_or_one_that_leads_nowhere(
    odd: tuple[Graph, Report],
) -> None:
    graph, report = odd
    assert graph.replaced_by == {("C0000090", ONE): "RO", ("C0000090", TWO): "RN"}
    reasons = {cui: row["reason"] for cui, row in graph.retired.items()}
    assert reasons == {"C0000090": "mapped", "C0000091": "merged"}
    assert report.files["MRCUI"] == {"kept": 2, "target not loaded": 2}


def test_definitions_keep_their_quotes(odd: tuple[Graph, Report]) -> None:
    graph, _ = odd
    assert [graph.definitions[f"AT{n}"]["text"] for n in range(len(TEXTS))] == TEXTS
    assert graph.concepts[ONE]["definition"] == TEXTS[0]


def test_files_without_rows_are_read_and_counted(tmp_path: Path) -> None:
    empty: Tables = {
        **{"MRMAP": [], "MRHIER": [], "MRSAT": [], "MRDEF": [], "MRCUI": [], "MRREL": []},
        **{"CHANGE/DELETEDCUI": [], "CHANGE/MERGEDCUI": [], "CHANGE/MERGEDLUI": [], "MRAUI": []},
    }
    path = write_release(tmp_path / "in", small_release() | empty)
    graph, report = run_transform(path, tmp_path / "out", PRESETS["full"])
    assert len(graph.concepts) == 5
    assert (graph.facts, graph.retired, graph.definitions) == ({}, {}, {})
    assert all(report.rows(file) == 0 for file in empty if file in report.files)


@pytest.mark.parametrize(
    ("options", "names", "marked"),
    [
        (LoadOptions(), ["current"], "true"),
        (PRESETS["full"], ["obsolete", "by its editor", "acronym", "current"], ""),
    ],
    ids=["training", "full"],
)
def test_a_suppressed_preferred_atom_gives_way_to_the_next(
    tmp_path: Path, options: LoadOptions, names: list[str], marked: str
) -> None:
    rows = [
        atom(ONE, "A1", "obsolete", "S2", SUPPRESS="O"),
        atom(ONE, "A2", "by its editor", SUPPRESS="E"),
        atom(ONE, "A3", "acronym", tty="SY", SUPPRESS="Y"),
        atom(ONE, "A4", "current", tty="SY", TS="S", STT="VO", ISPREF="N"),
        atom(THREE, "A5", "wholly by its editor", SUPPRESS="E"),
    ]
    path = write_release(tmp_path / "in", small_release() | {"MRCONSO": rows})
    graph, _ = run_transform(path, tmp_path / "out", options)
    assert graph.names(ONE) == names
    assert graph.names(THREE) == ["wholly by its editor"]
    assert graph.concepts[THREE]["suppressed"] == marked
