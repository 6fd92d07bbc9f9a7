"""A generated graph in Neo4j, in the loader's schema, and the plain lists that it was made from."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import md5
from typing import NamedTuple

import neo4j
import pytest
from tests.platform.schema import SCHEMA

from bali.graph import Graph
from bali_platform.base.settings import Settings

TYPES = ("CHD", "ISA", "MAY_TREAT", "PART_OF", "RO")
SOURCES = ("GO", "MSH", "SNOMEDCT_US")
GROUPS = ("Anatomy", "ChemicalOrDrug", "Disorder")
HUB, BARE_HUB = "C0000001", "C0000002"


class Fact(NamedTuple):
    source: str
    type: str
    target: str
    sabs: tuple[str, ...]


@dataclass(repr=False)
class Oracle:
    """What the seeded graph must answer, worked out slowly from its facts."""

    version: str
    names: dict[str, tuple[str, ...]]
    groups: dict[str, str]
    facts: list[Fact]
    retired: dict[str, str]
    incident: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for fact in self.facts:
            self.incident[fact.source].append(f">{fact.type}|{fact.target}")
            self.incident[fact.target].append(f"<{fact.type}|{fact.source}")

    def __repr__(self) -> str:
        return f"Oracle({self.version})"

    def sample(self, cui: str) -> list[str]:
        """The 64 edges of least hash, as the loader chooses them; all, where there are fewer."""
        ranked = sorted(
            self.incident[cui],
            key=lambda entry: md5(
                f"{self.version}|{cui}|{entry}".encode(), usedforsecurity=False
            ).hexdigest(),
        )
        return ranked[:64]

    def edges(self, cui: str) -> set[tuple[str, str, bool]]:
        """The concept's neighbourhood as (neighbour, type, outgoing)."""
        parts = [(entry[0], *entry[1:].split("|")) for entry in self.sample(cui)]
        return {(neighbour, kind, arrow == ">") for arrow, kind, neighbour in parts}


def make_oracle(seed: int = 7, concepts: int = 400) -> Oracle:
    rng = random.Random(seed)
    cuis = [f"C{number:07d}" for number in range(1, concepts + 1)]
    words = ("acute", "chronic", "cardiac", "renal", "failure", "infarction", "inflammation")
    names = {
        cui: tuple(
            dict.fromkeys(
                f"{' '.join(rng.sample(words, 3))} {cui[-3:]}" for _ in range(rng.randint(1, 5))
            )
        )
        for cui in cuis
    }
    names["C0000010"] = ("Myocardial infarction", "Heart attack", 'quote " and \\ back', "心肌梗塞")
    names["C0000011"] = ("Heart attack fear", "Cardiophobia")
    names["C0000013"] = ("1,2-Dichloroethane", "Dutchmen's oil")
    names["C0000012"] = tuple(f"many names {number}" for number in range(40))
    pairs = {(rng.choice(cuis), rng.choice(TYPES), rng.choice(cuis)) for _ in range(concepts * 5)}
    pairs |= {(cui, rng.choice(TYPES), HUB) for cui in rng.choices(cuis, k=900)}
    pairs |= {(BARE_HUB, rng.choice(TYPES), cui) for cui in rng.choices(cuis, k=300)}
    lonely = cuis[-1]
    facts = [
        Fact(*pair, tuple(sorted(rng.sample(SOURCES, rng.randint(1, 2)))))
        for pair in sorted(pairs)
        if pair[0] != pair[2] and lonely not in pair
    ]
    retired = {"C9000001": "C0000010", "C9000002": "C0000020"}
    groups = {cui: rng.choice(GROUPS) for cui in cuis}
    return Oracle(f"graph-{seed}", names, groups, facts, retired)


def seed_graph(driver: neo4j.Driver, oracle: Oracle) -> None:
    """Replace whatever the server holds by the oracle's graph."""
    with driver.session() as session:
        session.run("MATCH (n) CALL (n) { DETACH DELETE n } IN TRANSACTIONS OF 1000 ROWS").consume()
    for command in SCHEMA:
        driver.execute_query(command)
    for group in GROUPS:
        driver.execute_query(
            f"UNWIND $rows AS row CREATE (c:Concept:{group}) SET c = row "
            "CREATE (c)-[:HAS_ATOM]->(:Atom {aui: 'A' + row.cui, name: row.name, sab: 'MSH', "
            "tty: 'PT', code: 'D:' + row.cui, language: 'ENG', suppress: 'N'})",
            rows=[_concept_row(oracle, cui) for cui in oracle.names if oracle.groups[cui] == group],
        )
    for kind in TYPES:
        driver.execute_query(
            "UNWIND $rows AS row MATCH (a:Concept {cui: row[0]}) MATCH (b:Concept {cui: row[2]}) "
            f"CREATE (a)-[:{kind} {{rel: 'RO', rela: 'x', sabs: row[3]}}]->(b)",
            rows=[list(fact) for fact in oracle.facts if fact.type == kind],
        )
    driver.execute_query(
        "UNWIND $rows AS row MATCH (c:Concept {cui: row[1]}) "
        "CREATE (:RetiredConcept {cui: row[0], reason: 'merged', release: '2024AB'})"
        "-[:REPLACED_BY {rel: 'SY', release: '2024AB'}]->(c)",
        rows=[list(item) for item in oracle.retired.items()],
    )
    # A looser replacement that must lose against the synonym.
    driver.execute_query(
        "MATCH (r:RetiredConcept {cui: 'C9000002'}) MATCH (c:Concept {cui: 'C0000003'}) "
        "CREATE (r)-[:REPLACED_BY {rel: 'RO', release: '2024AB'}]->(c)"
    )
    driver.execute_query(
        "MATCH (c:Concept {cui: 'C0000010'}) CREATE (c)-[:DEFINED_BY]->"
        "(:Definition {atui: 'AT1', sab: 'MSH', text: c.definition})"
    )
    driver.execute_query(
        "CREATE (:Release {version: '2025AA', graph_version: $version, relation_types: $types})",
        version=oracle.version,
        types=list(TYPES),
    )
    driver.execute_query("CALL db.awaitIndexes(60)")


def _concept_row(oracle: Oracle, cui: str) -> dict[str, object]:
    names = list(oracle.names[cui])
    row: dict[str, object] = {
        "cui": cui,
        "name": names[0],
        "names": names,
        "semantic_types": ["Disease or Syndrome"],
        "sources": ["MSH"],
    }
    if cui == "C0000010":
        row["definition"] = "Necrosis of the heart muscle."
    if len(oracle.incident[cui]) > 64 and cui != BARE_HUB:
        row["sampled_edges"] = oracle.sample(cui)
    return row


@pytest.fixture(scope="session")
def oracle() -> Oracle:
    return make_oracle()


@pytest.fixture(scope="module")
def seeded(driver: neo4j.Driver, oracle: Oracle) -> Oracle:
    """The oracle, its graph being live."""
    seed_graph(driver, oracle)
    return oracle


@pytest.fixture
def graph(seeded: Oracle, settings: Settings) -> Iterator[Graph]:
    with Graph.connect(settings) as graph:
        yield graph
