from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import neo4j
import pytest
from tests.loaders.umls.small import small_release, write_release

from bali_loaders.releases import Release
from bali_loaders.umls import PRESETS, Loaded, LoadOptions, Report, load, verify
from bali_platform.base.errors import BaliError, UsageError
from bali_platform.base.settings import Settings
from bali_platform.services import GraphStores

pytestmark = pytest.mark.services


def rows(graph: neo4j.Driver, query: str, **parameters: object) -> list[Any]:
    found = [record.values() for record in graph.execute_query(query, parameters).records]
    return [row[0] if len(row) == 1 else tuple(row) for row in found]


def test_concept_as_readers_find_it(graph: neo4j.Driver) -> None:
    (concept,) = rows(graph, "MATCH (c:Concept {cui: 'C0000001'}) RETURN properties(c)")
    assert concept == {
        "cui": "C0000001",
        "name": 'Attack, "heart"; \\ or, so',
        "names": ['Attack, "heart"; \\ or, so', "Myocardial infarction", "Heart attack"],
        "definition": "Muscle death, by S2.",
        "semantic_types": ["Disease or Syndrome"],
        "sources": ["S1", "S2"],
    }
    assert rows(graph, "MATCH (c:Disorder) RETURN c.cui ORDER BY c.cui") == ["C0000001", "C0000002"]
    assert rows(graph, "MATCH (c:Concept {suppressed: true}) RETURN c.cui") == ["C0000003"]


def test_facts_point_the_right_way(graph: neo4j.Driver) -> None:
    facts = "MATCH (a:Concept)-[r]->(b:Concept) RETURN a.cui, type(r), b.cui, r.rela, r.sabs"
    assert set(map(str, rows(graph, facts))) == {
        "('C0000001', 'ISA', 'C0000002', 'isa', ['S1', 'S2'])",
        "('C0000001', 'CHD', 'C0000002', None, ['S1'])",
        "('C0000005', 'HAS_PART', 'C0000001', 'has_part', ['S1'])",
        "('C0000002', 'RQ', 'C0000005', None, ['S1'])",
        "('C0000003', 'ODD_NAME_E', 'C0000001', 'odd (name) é', ['S1'])",
    }


def test_what_hangs_on_concepts(graph: neo4j.Driver) -> None:
    atoms = "MATCH (:Concept {cui: $cui})-[:HAS_ATOM]->(a:Atom) RETURN a.aui, a.tty, a.suppress"
    assert sorted(rows(graph, atoms, cui="C0000003")) == [("A6", "PT", "O"), ("A7", "SY", "Y")]
    types = "MATCH (:Concept {cui: $cui})-[:HAS_SEMANTIC_TYPE]->(t:SemanticType) RETURN t.tui"
    assert sorted(rows(graph, types, cui="C0000002")) == ["T046", "T047"]
    texts = "MATCH (:Concept)-[:DEFINED_BY]->(d:Definition) RETURN d.atui, d.sab"
    assert sorted(rows(graph, texts)) == [("AT1", "S1"), ("AT2", "S2")]
    sources = "MATCH (s:Source) RETURN s.sab, s.licence_category, s.atoms, s.facts ORDER BY s.sab"
    assert rows(graph, sources) == [("S1", 0, 6, 5), ("S2", 3, 1, 1), ("S3", 0, 0, 0)]


def test_retired_concepts(graph: neo4j.Driver) -> None:
    query = "MATCH (r:RetiredConcept)-[e:REPLACED_BY]->(c:Concept) RETURN r.cui, e.rel, c.cui"
    assert sorted(rows(graph, query)) == [
        ("C0000090", "RB", "C0000001"),
        ("C0000091", "RB", "C0000001"),
        ("C0000093", "SY", "C0000005"),
    ]


def test_indexes_serve(graph: neo4j.Driver) -> None:
    found = "CALL db.index.fulltext.queryNodes('concept_names', $text) YIELD node RETURN node.cui"
    assert rows(graph, found, text='"heart attack"') == ["C0000001"]
    found = "CALL db.index.fulltext.queryNodes('definitions', $text) YIELD node RETURN node.atui"
    assert rows(graph, found, text="muscle AND S2") == ["AT2"]
    states = rows(graph, "SHOW INDEXES YIELD name, state RETURN name, state")
    assert {state for _, state in states} == {"ONLINE"}
    assert {"concept_cui", "atom_aui", "atom_code", "retired_cui"} <= {name for name, _ in states}


def test_release_node_tells_what_was_loaded(graph: neo4j.Driver, loaded: Loaded) -> None:
    (release,) = rows(graph, "MATCH (r:Release) RETURN properties(r)")
    assert release["version"] == "2031AA"
    assert release["graph_version"] == loaded.report.graph_version
    assert release["relation_types"] == ["CHD", "HAS_PART", "ISA", "ODD_NAME_E", "RQ"]
    assert LoadOptions.model_validate_json(release["options"]) == LoadOptions()
    assert Report.model_validate_json(release["report"]).files == loaded.report.files


def test_loading_it_again_does_nothing(
    module_settings: Settings, release: Path, loaded: Loaded, stores: GraphStores
) -> None:
    again = load(release, LoadOptions(), module_settings)
    assert again.already_live
    assert again.store == loaded.store == stores.live()
    assert again.report.files == loaded.report.files
    report = stores.server().data.parent / "report.json"
    assert json.loads(report.read_text()) == again.report.model_dump(mode="json")


def test_graph_passes_its_own_verification(graph: neo4j.Driver, release: Path) -> None:
    with Release.open(release) as opened:
        result = verify(graph, opened)
    assert result.problems == []
    assert result.checked["concepts"] == 5, "every concept of the release, loaded or not"
    assert result.checked["facts"] == 10, "five facts, seen from either end"
    assert result.checked["retired concepts"] == 5


# What is done to the graph, what verification must say then, and how it is undone.
MUTATIONS = {
    "an edge reversed": (
        "MATCH (a:Concept)-[r:ISA]->(b:Concept) "
        "CREATE (b)-[s:ISA]->(a) SET s = properties(r) DELETE r",
        "fact missing",
        "MATCH (a:Concept)-[r:ISA]->(b:Concept) "
        "CREATE (b)-[s:ISA]->(a) SET s = properties(r) DELETE r",
    ),
    "a name lost": (
        "MATCH (c:Concept {cui: 'C0000001'}) SET c.kept = c.names, c.names = c.names[..2]",
        "names: 6 names in the graph, 7 by the release",
        "MATCH (c:Concept {cui: 'C0000001'}) SET c.names = c.kept REMOVE c.kept",
    ),
    "a source dropped": (
        "MATCH (:Concept)-[r:ISA]->(:Concept) SET r.sabs = ['S1']",
        "facts by source: 0 S2 in the graph, 1 by the release",
        "MATCH (:Concept)-[r:ISA]->(:Concept) SET r.sabs = ['S1', 'S2']",
    ),
    "a fact made up": (
        "MATCH (a:Concept {cui: 'C0000005'}), (b:Concept {cui: 'C0000003'}) "
        "CREATE (a)-[:HAS_PART {rel: 'RO', rela: 'has_part', sabs: ['S1']}]->(b)",
        "C0000005: fact wrong",
        "MATCH (:Concept {cui: 'C0000005'})-[r:HAS_PART]->(:Concept {cui: 'C0000003'}) DELETE r",
    ),
    "another preferred name": (
        "MATCH (c:Concept {cui: 'C0000001'}) SET c.name = 'Heart attack'",
        "C0000001: name is 'Heart attack'",
        "MATCH (c:Concept {cui: 'C0000001'}) SET c.name = c.names[0]",
    ),
    "a definition moved": (
        "MATCH ()-[r:DEFINED_BY]->(d {atui: 'AT1'}), (c:Concept {cui: 'C0000002'}) "
        "CREATE (c)-[:DEFINED_BY]->(d) DELETE r",
        "C0000002: definition wrong",
        "MATCH ()-[r:DEFINED_BY]->(d {atui: 'AT1'}), (c:Concept {cui: 'C0000001'}) "
        "CREATE (c)-[:DEFINED_BY]->(d) DELETE r",
    ),
    "a semantic type exchanged": (
        "MATCH (c {cui: 'C0000005'})-[r:HAS_SEMANTIC_TYPE]->(), (t:SemanticType {tui: 'T047'}) "
        "CREATE (c)-[:HAS_SEMANTIC_TYPE]->(t) DELETE r",
        "C0000005: semantic type missing: T023",
        "MATCH (c {cui: 'C0000005'})-[r:HAS_SEMANTIC_TYPE]->(), (t:SemanticType {tui: 'T023'}) "
        "CREATE (c)-[:HAS_SEMANTIC_TYPE]->(t) DELETE r",
    ),
    "a concept added": (
        "CREATE (:Concept {cui: 'C0000004', name: 'Corazón', names: []})",
        "C0000004 must not be loaded under these filters",
        "MATCH (c:Concept {cui: 'C0000004'}) DELETE c",
    ),
    "a retired concept sent elsewhere": (
        "MATCH (r {cui: 'C0000093'})-[e:REPLACED_BY]->(), (c:Concept {cui: 'C0000001'}) "
        "CREATE (r)-[:REPLACED_BY {rel: 'SY'}]->(c) DELETE e",
        "retired C0000093: replacement missing",
        "MATCH (r {cui: 'C0000093'})-[e:REPLACED_BY]->(), (c:Concept {cui: 'C0000005'}) "
        "CREATE (r)-[:REPLACED_BY {rel: 'SY'}]->(c) DELETE e",
    ),
}


@pytest.mark.parametrize(("harm", "symptom", "cure"), MUTATIONS.values(), ids=list(MUTATIONS))
def test_mutated_graph_is_caught(
    graph: neo4j.Driver, release: Path, harm: str, symptom: str, cure: str
) -> None:
    graph.execute_query(harm)
    with Release.open(release) as opened:
        found = verify(graph, opened)
        graph.execute_query(cure)
        assert any(symptom in problem for problem in found.problems), found.problems
        assert verify(graph, opened).passed, "undone"


def test_changed_release_fails_verification(
    graph: neo4j.Driver, release: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "2031AA"
    shutil.copytree(release, copy)
    with (copy / "META" / "MRREL.RRF").open("a") as file:
        file.write("C0000005||CUI|RO|C0000003||CUI|part_of|||S1||||N||\n")
    with Release.open(copy) as opened:
        found = verify(graph, opened)
    assert "MRREL: 14 rows, MRFILES.RRF says 13" in found.problems
    assert "MRREL: 14 rows, 13 accounted for" in found.problems
    assert any("fact missing" in problem for problem in found.problems)


def test_other_release_is_not_compared(graph: neo4j.Driver, tmp_path: Path) -> None:
    other = write_release(tmp_path, small_release()).rename(tmp_path / "2032AA")
    with Release.open(other) as opened, pytest.raises(BaliError, match="is release 2032AA"):
        verify(graph, opened)


def test_external_server_is_refused(module_settings: Settings, release: Path) -> None:
    external = module_settings.model_copy(update={"neo4j_uri": "bolt://localhost:1"})
    with pytest.raises(UsageError, match="unset BALI_NEO4J_URI"):
        load(release, LoadOptions(), external)


def test_other_options_make_another_graph_and_can_be_taken_back(
    module_settings: Settings, release: Path, stores: GraphStores, loaded: Loaded
) -> None:
    full = load(release, PRESETS["full"], module_settings)
    assert full.report.graph_version != loaded.report.graph_version
    assert stores.live() == full.store
    with stores.server().driver() as driver:
        assert rows(driver, "MATCH (c:Concept) RETURN count(c)") == [5]
    assert stores.rollback() == loaded.store
    with stores.server().driver() as driver:
        assert rows(driver, "MATCH (c:Concept) RETURN count(c)") == [4]


def test_damaged_release_leaves_the_graph_alone(
    module_settings: Settings, release: Path, stores: GraphStores, loaded: Loaded, tmp_path: Path
) -> None:
    copy = tmp_path / "2031AA"
    shutil.copytree(release, copy)
    relations = copy / "META" / "MRREL.RRF"
    relations.write_bytes(relations.read_bytes()[:-20])
    with pytest.raises(BaliError, match=r"MRREL\.RRF, line 13: the line is cut off"):
        load(copy, LoadOptions(), module_settings)
    assert stores.live() == loaded.store
