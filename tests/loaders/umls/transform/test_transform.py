from __future__ import annotations

import hashlib
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
    write_release,
)

from bali_loaders.umls import PRESETS, LoadOptions, Report
from bali_platform.base.errors import BaliError


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Graph, Report]:
    folder = tmp_path_factory.mktemp("small")
    return run_transform(write_release(folder, small_release()), folder / "out")


def checksum(edge: str) -> str:
    return hashlib.md5(f"0123456789abcdef|{edge}".encode(), usedforsecurity=False).hexdigest()


def transformed(
    tmp_path: Path, tables: Tables, options: LoadOptions | None = None
) -> tuple[Graph, Report]:
    path = write_release(tmp_path / "in", small_release() | tables)
    return run_transform(path, tmp_path / "out", options)


def test_concepts_with_wanted_names_are_loaded(loaded: tuple[Graph, Report]) -> None:
    graph, _ = loaded
    assert set(graph.concepts) == {"C0000001", "C0000002", "C0000003", "C0000005"}
    assert graph.names("C0000001") == [
        'Attack, "heart"; \\ or, so',
        "Myocardial infarction",
        "Heart attack",
    ]
    assert graph.concepts["C0000001"]["name"] == 'Attack, "heart"; \\ or, so'
    assert graph.concepts["C0000001"]["sources"].split("\x1f") == ["S1", "S2"]


def test_wholly_suppressed_concept_is_loaded_and_marked(loaded: tuple[Graph, Report]) -> None:
    graph, _ = loaded
    assert graph.names("C0000003") == ["Old name", "Older name"]
    assert graph.concepts["C0000003"]["suppressed"] == "true"
    assert graph.concepts["C0000005"]["suppressed"] == ""
    assert graph.names("C0000005") == ["Heart"]
    assert ("C0000003", "A6") in graph.has_atom


def test_definitions(loaded: tuple[Graph, Report]) -> None:
    graph, _ = loaded
    assert graph.concepts["C0000001"]["definition"] == "Muscle death, by S2."
    assert graph.defined_by == {("C0000001", "AT1"), ("C0000001", "AT2")}


def test_semantic_groups_are_labels(loaded: tuple[Graph, Report]) -> None:
    graph, _ = loaded
    assert graph.labels["C0000002"] == {"Concept", "Disorder"}
    assert graph.labels["C0000005"] == {"Concept", "Anatomy"}
    assert graph.labels["C0000003"] == {"Concept"}
    assert graph.semantic_types["T046"]["group"] == "Disorders"


def test_types_without_semantic_network_form_a_tree(loaded: tuple[Graph, Report]) -> None:
    graph, _ = loaded
    assert graph.network == {("T047", "ISA", "T046")}


def test_edges_run_from_second_concept_to_first(loaded: tuple[Graph, Report]) -> None:
    graph, _ = loaded
    assert graph.facts == {
        ("C0000001", "ISA", "C0000002"): ("CHD", "isa", ("S1", "S2")),
        ("C0000001", "CHD", "C0000002"): ("CHD", "", ("S1",)),
        ("C0000005", "HAS_PART", "C0000001"): ("RO", "has_part", ("S1",)),
        ("C0000002", "RQ", "C0000005"): ("RQ", "", ("S1",)),
        ("C0000003", "ODD_NAME_E", "C0000001"): ("RO", "odd (name) é", ("S1",)),
    }


def test_every_row_is_accounted_for(loaded: tuple[Graph, Report]) -> None:
    _, report = loaded
    assert report.files["MRREL"] == {
        "kept": 5,
        "merged": 3,
        "sibling": 1,
        "self-loop": 1,
        "concept not loaded": 1,
        "unknown concept": 1,
        "suppressed": 1,
    }
    assert report.files["MRCONSO"] == {"kept": 7, "language": 2, "suppressed": 1}
    assert report.files["MRDEF"] == {"kept": 2, "language": 1, "suppressed": 1}
    assert report.files["MRSTY"] == {"kept": 4, "concept not loaded": 1, "unknown concept": 1}
    for name, rows in small_release().items():
        assert report.rows(name) == len(rows)


def test_retired_concepts_lead_to_live_ones(loaded: tuple[Graph, Report]) -> None:
    graph, report = loaded
    assert {cui: row["reason"] for cui, row in graph.retired.items()} == {
        "C0000090": "merged",
        "C0000091": "mapped",
        "C0000092": "deleted",
        "C0000093": "merged",
    }
    assert graph.retired["C0000092"]["name"] == "Gone"
    assert graph.replaced_by == {
        ("C0000090", "C0000001"): "RB",
        ("C0000091", "C0000001"): "RB",
        ("C0000093", "C0000005"): "SY",
    }
    assert report.files["MRCUI"] == {"kept": 3, "still a concept": 1}
    assert report.files["CHANGE/DELETEDCUI"] == {"merged": 1}


def test_history_in_circles_ends(tmp_path: Path) -> None:
    rows = [("C0000090", "C0000091"), ("C0000091", "C0000090"), ("C0000091", "C0000001")]
    history = [{"CUI1": one, "VER": "2020AA", "REL": "SY", "CUI2": two} for one, two in rows]
    graph, _ = transformed(tmp_path, {"MRCUI": history, "CHANGE/MERGEDCUI": []})
    assert graph.replaced_by == {("C0000090", "C0000001"): "SY", ("C0000091", "C0000001"): "SY"}


def test_full_preset_keeps_all(tmp_path: Path) -> None:
    graph, report = transformed(tmp_path, {}, PRESETS["full"])
    assert report.files["MRCONSO"] == {"kept": 10}
    assert ("C0000001", "SIB", "C0000005") in graph.facts
    assert ("C0000002", "PART_OF", "C0000001") not in graph.facts
    assert ("C0000001", "HAS_PART", "C0000002") in graph.facts, "turned to the canonical type"
    assert graph.names("C0000005") == ["Heart", "Hart"]


def test_sources_can_be_chosen(tmp_path: Path) -> None:
    graph, report = transformed(tmp_path, {}, LoadOptions(sources=("S2",)))
    assert set(graph.concepts) == {"C0000001"}
    assert report.files["MRCONSO"]["source"] == 7
    assert report.files["MRSAB"] == {"kept": 1, "source": 2}
    assert set(graph.sources) == {"S2"}


def test_licence_categories_can_be_chosen(tmp_path: Path) -> None:
    graph, report = transformed(tmp_path, {}, LoadOptions(licences=(0,)))
    assert graph.names("C0000001") == ["Myocardial infarction", "Heart attack"]
    assert report.files["MRCONSO"]["licence"] == 1
    assert report.files["MRREL"]["licence"] == 1


def test_rows_of_a_source_that_mrsab_lacks_are_loaded(tmp_path: Path) -> None:
    tables = {"MRREL": [relation("C0000002", "RO", "C0000001", "part_of", "NEW")]}
    graph, _ = transformed(tmp_path, tables)
    assert graph.facts == {("C0000002", "HAS_PART", "C0000001"): ("RO", "has_part", ("NEW",))}
    assert graph.sources["NEW"]["facts"] == "1"


def test_rank_decides_before_flags_and_identifiers(tmp_path: Path) -> None:
    names = [
        atom("C0000001", "A1", "flagged", tty="SY"),
        atom("C0000001", "A9", "ranked", TS="S", STT="VO", ISPREF="N"),
        atom("C0000001", "A8", "unranked", tty="XX"),
        atom("C0000001", "A20", "later", tty="SY"),
        atom("C0000001", "A2", "not preferred", tty="SY", TS="S"),
        atom("C0000001", "A3", "later", tty="SY", ISPREF="N"),
    ]
    tables: Tables = {"MRCONSO": names, "MRRANK": ranks("S1/PT", "S1/SY")}
    graph, report = transformed(tmp_path, tables)
    assert graph.names("C0000001") == ["ranked", "flagged", "later", "not preferred", "unranked"]
    assert report.names == 5


def test_repeated_atoms_count_once(tmp_path: Path) -> None:
    names = [
        atom("C0000001", "A1", "one"),
        atom("C0000001", "A1", "one"),
        atom("C0000002", "A1", "another"),
        atom("C0000002", "A2", "two"),
    ]
    graph, report = transformed(tmp_path, {"MRCONSO": names})
    assert graph.has_atom == {("C0000001", "A1"), ("C0000002", "A2")}
    assert report.files["MRCONSO"] == {"kept": 2, "duplicate": 2}


def test_rows_that_lack_identifiers_are_named(tmp_path: Path) -> None:
    tables: Tables = {
        "MRCONSO": [atom("C0000001", "A1", "one"), atom("", "A2", "two"), atom("C2", "A3", "")],
        "MRREL": [relation("", "RO", "C0000001"), relation("C0000001", "", "C2")],
        "MRDEF": [{"CUI": "C0000001", "SAB": "S1", "DEF": "no identifier"}],
        "MRSTY": [{"CUI": "C0000001", "TUI": "T047"}],
    }
    _, report = transformed(tmp_path, tables)
    assert report.files["MRCONSO"] == {"kept": 1, "incomplete": 2}
    assert report.files["MRREL"] == {"incomplete": 2}
    assert report.files["MRDEF"] == {"incomplete": 1}
    assert report.files["MRSTY"] == {"incomplete": 1}


def test_any_string_survives(tmp_path: Path) -> None:
    names = ['"', '""', "\\", '\\"', "a,b", " padded ", "名前", "é́", "x" * 3000, "#", "'", "a\x00b"]
    atoms = [atom("C0000001", f"A{n}", name) for n, name in enumerate(names)]
    graph, _ = transformed(tmp_path, {"MRCONSO": [*atoms, atom("C0000001", "A99", "a\x1fb")]})
    assert set(graph.names("C0000001")) == {*names, "a b"}
    assert {row["name"] for row in graph.atoms.values()} == {*names, "a\x1fb"}


def test_hubs_carry_a_choice_of_their_edges(tmp_path: Path) -> None:
    cuis = [f"C{number:07}" for number in range(1, 72)]
    tables: Tables = {
        "MRCONSO": [atom(cui, f"A{cui}", f"name {cui}") for cui in cuis],
        "MRREL": [
            *(relation(cuis[0], "RO", cui, "part_of") for cui in cuis[1:41]),
            *(relation(cuis[0], "CHD", cui, "isa") for cui in cuis[41:]),
            *(relation(cuis[1], "RQ", cui) for cui in cuis[2:66]),
        ],
    }
    graph, _ = transformed(tmp_path, tables)
    edges = [f">HAS_PART|{cui}" for cui in cuis[1:41]] + [f"<ISA|{cui}" for cui in cuis[41:]]
    chosen = graph.concepts[cuis[0]]["sampled_edges"].split("\x1f")
    assert chosen == sorted(sorted(edges, key=lambda e: checksum(f"{cuis[0]}|{e}"))[:64])
    assert graph.concepts[cuis[1]]["sampled_edges"] != "", "65 edges"
    assert {cui for cui, row in graph.concepts.items() if row["sampled_edges"]} == set(cuis[:2])


def test_semantic_network_is_read_from_its_files(tmp_path: Path) -> None:
    def definition(kind: str, ui: str, name: str, tree: str) -> dict[str, str]:
        return {"RT": kind, "UI": ui, "STY_RL": name, "STN_RTN": tree, "DEF": f"About {name}."}

    tables: Tables = {
        "NET/SRDEF": [
            definition("STY", "T071", "Entity", "A"),
            definition("STY", "T072", "Physical Object", "A1"),
            definition("STY", "T001", "Organism", "A1.1"),
            definition("RL", "T186", "isa", "H"),
            definition("RL", "T142", "interacts_with", "R3.1.5"),
        ],
        "NET/SRSTRE1": [
            {"UI1": "T001", "UI2": "T186", "UI3": "T072"},
            {"UI1": "T001", "UI2": "T186", "UI3": "T071"},
            {"UI1": "T001", "UI2": "T142", "UI3": "T001"},
            {"UI1": "T142", "UI2": "T186", "UI3": "T140"},
        ],
    }
    graph, report = transformed(tmp_path, tables)
    assert graph.semantic_types["T001"]["definition"] == "About Organism."
    assert graph.network == {
        ("T072", "ISA", "T071"),
        ("T001", "ISA", "T072"),
        ("T001", "INTERACTS_WITH", "T001"),
        ("T047", "ISA", "T046"),
    }
    assert report.files["NET/SRSTRE1"] == {"kept": 1, "merged": 2, "not of semantic types": 1}


def test_attributes_hang_on_atoms_and_concepts(tmp_path: Path) -> None:
    def attribute(atui: str, value: str, **more: str) -> dict[str, str]:
        row = {"CUI": "C0000001", "ATUI": atui, "ATN": "MN", "ATV": value, "SAB": "S1"}
        return row | {"STYPE": "AUI", "METAUI": "A1", "SUPPRESS": "N"} | more

    rows = [
        attribute("AT1", "C14.280"),
        attribute("AT2", "of the concept", STYPE="CUI", METAUI=""),
        attribute("AT3", "of a Spanish name", METAUI="A4"),
        attribute("AT4", "of a relationship", STYPE="RUI", METAUI="R1"),
        attribute("AT5", "suppressed", SUPPRESS="Y"),
        attribute("AT6", "elsewhere", CUI="C0000004", METAUI="A8"),
        attribute("", "no identifier is needed", METAUI="A2"),
    ]
    graph, report = transformed(tmp_path, {"MRSAT": rows}, LoadOptions(attributes=True))
    assert graph.attributes == {
        ("A1", "MN", "C14.280"),
        ("C0000001", "MN", "of the concept"),
        ("A2", "MN", "no identifier is needed"),
    }
    assert report.files["MRSAT"] == {
        "kept": 3,
        "atom not loaded": 1,
        "concept not loaded": 1,
        "of a relationship": 1,
        "suppressed": 1,
    }
    assert (report.nodes["Attribute"], report.relationships["HAS_ATTRIBUTE"]) == (3, 3)


def test_hierarchies_join_atoms(tmp_path: Path) -> None:
    def step(child: str, parent: str, code: str) -> dict[str, str]:
        return {"AUI": child, "PAUI": parent, "SAB": "S1", "RELA": "isa", "HCD": code}

    rows = [
        step("A1", "A5", "C14.2"),
        step("A1", "A5", "C14.1"),
        step("A5", "", "C14"),
        step("A4", "A5", "C15"),
        step("A2", "A5", ""),
    ]
    graph, report = transformed(tmp_path, {"MRHIER": rows}, LoadOptions(hierarchies=True))
    assert graph.below == {("A1", "A5", "S1"): "C14.1\x1fC14.2", ("A2", "A5", "S1"): ""}
    accounts = {"kept": 2, "merged": 1, "atom not loaded": 1, "top of its hierarchy": 1}
    assert report.files["MRHIER"] == accounts


def test_maps_hang_on_the_concepts_they_map_from(tmp_path: Path) -> None:
    def mapping(start: str, kind: str, end: str, sab: str = "S1") -> dict[str, str]:
        return {"MAPSETSAB": sab, "FROMEXPR": start, "FROMTYPE": kind, "TOEXPR": end}

    rows = [
        mapping("A5", "SCUI", "I51.9"),
        mapping("C0000005", "CUI", "Q24"),
        mapping("A5", "SCUI", "", "S1"),
        mapping("nowhere", "SCUI", "I00"),
    ]
    graph, report = transformed(tmp_path, {"MRMAP": rows}, LoadOptions(maps=True))
    assert graph.mapped == {("C0000002", "A5", "I51.9"), ("C0000005", "C0000005", "Q24")}
    assert report.files["MRMAP"] == {"kept": 3, "incomplete": 1}
    assert report.nodes["Mapping"] == 3


def test_a_map_keeps_the_group_rank_rule_and_advice_of_its_rules(tmp_path: Path) -> None:
    row = {"MAPSETSAB": "S1", "FROMEXPR": "A5", "FROMTYPE": "SCUI", "TOEXPR": "I51.9"}
    told = {"MAPSUBSETID": "2", "MAPRANK": "3", "MAPRULE": "TRUE", "MAPRES": "ALWAYS I51.9"}
    graph, _ = transformed(tmp_path, {"MRMAP": [row | told]}, LoadOptions(maps=True))
    held = [graph.rules[0][name] for name in ("group", "rank:int", "rule", "advice")]
    assert held == list(told.values())


def test_what_is_not_asked_for_is_said(tmp_path: Path) -> None:
    rows = [{"CUI": "C0000001", "ATN": "MN", "ATV": "x", "SAB": "S1"}]
    graph, report = transformed(tmp_path, {"MRSAT": rows})
    assert report.files["MRSAT"] == {"not asked for": 1}
    assert graph.attributes == set()


def test_filters_that_leave_nothing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(BaliError, match="no name passes the filters"):
        transformed(tmp_path, {}, LoadOptions(languages=("FIN",)))


def test_report_counts_the_import_files(loaded: tuple[Graph, Report]) -> None:
    graph, report = loaded
    assert report.nodes["Concept"] == len(graph.concepts)
    assert report.nodes["Disorder"] == 2
    assert report.relationships["HAS_ATOM"] == len(graph.has_atom)
    assert report.relationships["ISA"] == 2, "one fact, one step of the Semantic Network"
    assert report.facts_by_source == {"S1": 5, "S2": 1}
