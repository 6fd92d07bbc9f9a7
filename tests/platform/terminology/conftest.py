"""A small graph of several vocabularies, that a person can check by eye."""

from __future__ import annotations

from collections.abc import Iterator

import neo4j
import pytest
from tests.platform.schema import SCHEMA

from bali_platform.base.settings import Settings
from bali_platform.graph import Graph
from bali_platform.terminology import Terminology

TYPES = {"T047": ("Disease or Syndrome", "Disorders"), "T121": ("Substance", "Chemicals")}
# CUI, group, semantic type, and its atoms: source, code, term type, name.
CONCEPTS = [
    ("C0000001", "Disorder", "T047", [
        ("MSH", "D006331", "MH", "Heart Diseases"),
        ("MONDO", "MONDO:0005267", "PT", "heart disorder"),
        ("SNOMEDCT_US", "56265001", "PT", "Heart disease"),
    ]),
    ("C0000002", "Disorder", "T047", [
        ("MSH", "D009203", "MH", "Myocardial Infarction"),
        ("MSH", "D009203", "ET", "Heart attack"),
        ("MONDO", "MONDO:0005068", "PT", "myocardial infarction"),
        ("HPO", "HP:0001658", "PT", "Myocardial infarction"),
        ("SNOMEDCT_US", "22298006", "PT", "Myocardial infarction"),
        ("SNOMEDCT_US", "22298006", "SY", "Cardiac infarction"),
        ("ICD10CM", "I21.9", "PT", "Acute myocardial infarction, unspecified"),
    ]),
    ("C0000003", "Disorder", "T047", [
        ("MSH", "D056988", "MH", "Anterior Wall Myocardial Infarction"),
        ("SNOMEDCT_US", "54329005", "PT", "Anterior myocardial infarction"),
        ("MONDO", "MONDO:0001090", "PT", "anterior infarction"),
    ]),
    ("C0000004", "Disorder", "T047", [
        ("MONDO", "MONDO:0009999", "PT", "very rare infarction"),
        ("MSH", "D056988", "ET", "Rare infarct"),
    ]),
    ("C0000005", "ChemicalOrDrug", "T121", [
        ("MSH", "D001241", "MH", "Aspirin"),
        ("RXNORM", "1191", "IN", "aspirin"),
        ("ICD10CM", "1191", "PT", "A code that two vocabularies have"),
    ]),
    ("C0000006", "Disorder", "T047", [("MONDO", "MONDO:0000006", "PT", "egg")]),
    ("C0000007", "Disorder", "T047", [("MONDO", "MONDO:0000007", "PT", "hen")]),
    ("C0000008", "Disorder", "T047", [
        ("ICD10CM", "I21", "HT", "Acute myocardial infarction"),
        ("ICD10CM", "I21", "SY", "Herzinfarkt"),
    ]),
    ("C0000009", "Disorder", "T047", [
        ("SNOMEDCT_US", "401303003", "PT", "Acute ST elevation myocardial infarction"),
    ]),
]  # fmt: skip
GERMAN = {"Herzinfarkt"}
ISA = [  # child, parent, sources
    ("C0000002", "C0000001", ["MSH", "MONDO"]),
    ("C0000003", "C0000002", ["MSH", "MONDO"]),
    ("C0000004", "C0000003", ["MONDO"]),
    ("C0000006", "C0000007", ["MONDO"]),
    ("C0000007", "C0000006", ["MONDO"]),
    ("C0000001", "C0000003", ["OTHER"]),  # another vocabulary's step, which would close a cycle
]
BELOW = [  # the way up leads to one term of a code, and on from another
    ("Myocardial infarction", "Heart disease"),
    ("Anterior myocardial infarction", "Cardiac infarction"),
    ("Acute ST elevation myocardial infarction", "Cardiac infarction"),
]
RULES = [  # from, to, group, rank, rule, advice
    ("54329005", "I21", "1", 1, "IFA 445518008", "IF AGE < 18 CHOOSE I21"),
    ("54329005", "I21.9", "1", 2, "TRUE", "ALWAYS I21.9"),
]


def seed_graph(driver: neo4j.Driver) -> None:
    """Replace what the server holds by the graph above."""
    driver.execute_query("MATCH (n) DETACH DELETE n")
    for command in SCHEMA:
        driver.execute_query(command)
    for tui, (name, group) in TYPES.items():
        driver.execute_query(
            "CREATE (:SemanticType {tui: $tui, name: $name, group: $group})",
            tui=tui, name=name, group=group,
        )  # fmt: skip
    for cui, group, tui, atoms in CONCEPTS:
        names = list(dict.fromkeys(atom[3] for atom in atoms))
        driver.execute_query(
            f"MATCH (t:SemanticType {{tui: $tui}}) CREATE (c:Concept:{group} {{cui: $cui, "
            "name: $names[0], names: $names, semantic_types: [t.name], sources: $sources}) "
            "CREATE (c)-[:HAS_SEMANTIC_TYPE]->(t) WITH c UNWIND $atoms AS a "
            "CREATE (c)-[:HAS_ATOM]->(:Atom {aui: $cui + a[0] + a[3], sab: a[0], code: a[1], "
            "tty: a[2], name: a[3], suppress: 'N', language: a[4]})",
            cui=cui, tui=tui, names=names, sources=sorted({atom[0] for atom in atoms}),
            atoms=[[*atom, "GER" if atom[3] in GERMAN else "ENG"] for atom in atoms],
        )  # fmt: skip
    driver.execute_query(
        "UNWIND $rows AS r MATCH (a:Concept {cui: r[0]}), (b:Concept {cui: r[1]}) "
        "CREATE (a)-[:ISA {rel: 'CHD', rela: 'isa', sabs: r[2]}]->(b)",
        rows=[list(row) for row in ISA],
    )
    driver.execute_query(
        "UNWIND $rows AS r MATCH (a:Atom {sab: 'SNOMEDCT_US', name: r[0]}), "
        "(b:Atom {sab: 'SNOMEDCT_US', name: r[1]}) CREATE (a)-[:BELOW {sab: 'SNOMEDCT_US'}]->(b)",
        rows=[list(row) for row in BELOW],
    )
    driver.execute_query(
        "UNWIND $rows AS r MATCH (c:Concept)-[:HAS_ATOM]->(:Atom {code: r[0]}) "
        "CREATE (c)-[:HAS_MAPPING]->(:Mapping {map_set: 'C9', sab: 'SNOMEDCT_US', from: r[0], "
        "to: r[1], rel: 'RO', group: r[2], rank: r[3], rule: r[4], advice: r[5]})",
        rows=[list(row) for row in RULES],
    )
    driver.execute_query(
        "MATCH (c:Concept {cui: 'C0000002'}) "
        "CREATE (c)-[:DEFINED_BY]->(:Definition {atui: 'AT1', sab: 'MSH', text: 'Necrosis.'}) "
        "CREATE (:RetiredConcept {cui: 'C9000001', name: 'Old infarction', reason: 'merged', "
        "release: '2024AB'})-[:REPLACED_BY {rel: 'SY', release: '2024AB'}]->(c) "
        "CREATE (:RetiredConcept {cui: 'C9000002', reason: 'deleted', release: '2023AA'})"
    )
    counted = "MATCH (a:Atom)<-[:HAS_ATOM]-(c:Concept) WITH a.sab AS sab, count(*) AS atoms, "
    driver.execute_query(
        counted + "count(DISTINCT c) AS concepts CREATE (:Source {sab: sab, name: sab + ' in full',"
        " version: '1', language: 'ENG', licence_category: 0, atoms: atoms, concepts: concepts})"
    )
    driver.execute_query(
        "CREATE (:Release {version: '2026AA', graph_version: 'terms', relation_types: ['ISA']})"
    )
    driver.execute_query("CALL db.awaitIndexes(60)")


@pytest.fixture(scope="module")
def seeded(driver: neo4j.Driver) -> None:
    seed_graph(driver)


@pytest.fixture
def terms(seeded: None, settings: Settings) -> Iterator[Terminology]:
    with Graph.connect(settings) as graph:
        yield Terminology(graph)
