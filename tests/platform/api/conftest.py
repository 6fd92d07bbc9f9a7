"""A small graph that a person can check by eye, and the real server on loopback."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

import httpx
import neo4j
import pytest
from tests.serving import run_server

from bali_platform.base.settings import Settings

SCHEMA = (
    "CREATE CONSTRAINT concept_cui IF NOT EXISTS FOR (n:Concept) REQUIRE n.cui IS UNIQUE",
    "CREATE CONSTRAINT retired_cui IF NOT EXISTS FOR (n:RetiredConcept) REQUIRE n.cui IS UNIQUE",
    "CREATE INDEX atom_code IF NOT EXISTS FOR (n:Atom) ON (n.sab, n.code)",
    "CREATE FULLTEXT INDEX concept_names IF NOT EXISTS FOR (n:Concept) ON EACH [n.names]",
)
CONCEPTS = {
    "C0000001": ("Disorder", "Heart attack", "Myocardial infarction"),
    "C0000002": ("ChemicalOrDrug", "Aspirin", "Acetylsalicylic acid"),
    "C0000003": ("Anatomy", "Heart", "Cardiac structure"),
    "C0000004": ("Disorder", "Heart disease"),
    "C0000005": ("Disorder", "Chest pain", "Pain in the chest"),
    "C0000006": ("Procedure", "Coronary bypass"),
    "C0000007": ("Disorder", 'Fever "of unknown" \\ origin'),
    "C0000008": ("Idea", "Unconnected"),
    "C0000009": ("Disorder", "Disease"),
} | {f"C00001{n:02}": ("Disorder", f"Kind {n:02} of disease") for n in range(90)}
DISEASE = "C0000009"


class Edge(NamedTuple):
    source: str
    type: str
    target: str
    sabs: tuple[str, ...] = ("MSH",)


EDGES = [
    Edge("C0000002", "MAY_TREAT", "C0000001", ("MED-RT", "MSH")),
    Edge("C0000002", "MAY_TREAT", "C0000005"),
    Edge("C0000001", "HAS_FINDING_SITE", "C0000003", ("SNOMEDCT_US",)),
    Edge("C0000001", "ISA", "C0000004"),
    Edge("C0000004", "ISA", DISEASE),
    Edge("C0000005", "HAS_FINDING_SITE", "C0000003"),
    Edge("C0000006", "HAS_FINDING_SITE", "C0000003"),
    *(Edge(f"C00001{n:02}", "ISA", DISEASE) for n in range(90)),
]
TYPES = sorted({edge.type for edge in EDGES})
RETIRED = ("C9000001", "C0000001")


def seed_graph(driver: neo4j.Driver, version: str = "v1") -> None:
    """Replace what the server holds by the graph above."""
    driver.execute_query("MATCH (n) DETACH DELETE n")
    for command in SCHEMA:
        driver.execute_query(command)
    for cui, (group, *names) in CONCEPTS.items():
        driver.execute_query(
            f"CREATE (c:Concept:{group} {{cui: $cui, name: $names[0], names: $names, "
            "semantic_types: [$type], sources: ['MSH']}) "
            "CREATE (c)-[:HAS_ATOM]->(:Atom {sab: 'MSH', code: 'D' + $cui, name: $names[0]})",
            cui=cui, names=names, type=f"Some {group}",
        )  # fmt: skip
    for source, kind, target, sabs in EDGES:
        driver.execute_query(
            "MATCH (a:Concept {cui: $a}) MATCH (b:Concept {cui: $b}) "
            f"CREATE (a)-[:{kind} {{rel: 'RO', rela: 'x', sabs: $sabs}}]->(b)",
            a=source, b=target, sabs=list(sabs),
        )  # fmt: skip
    driver.execute_query(
        "MATCH (c:Concept {cui: $new}) CREATE (:RetiredConcept {cui: $old})-[:REPLACED_BY "
        "{rel: 'SY'}]->(c)", old=RETIRED[0], new=RETIRED[1],
    )  # fmt: skip
    sample = [f"<ISA|{e.source}" for e in EDGES if e.target == DISEASE][:64]
    driver.execute_query(
        "MATCH (c:Concept {cui: $cui}) SET c.sampled_edges = $sample", cui=DISEASE, sample=sample
    )
    driver.execute_query(
        "CREATE (:Release {version: '2026AA', graph_version: $v, relation_types: $types})",
        v=version, types=TYPES,
    )  # fmt: skip
    driver.execute_query("CALL db.awaitIndexes(60)")


@dataclass(frozen=True)
class Facts:
    """What the graph holds."""

    names: dict[str, tuple[str, ...]]
    groups: dict[str, str]
    edges: tuple[Edge, ...]
    retired: tuple[str, str]
    hub: str
    types: tuple[str, ...]

    def around(self, *cuis: str) -> set[Edge]:
        """The edges that touch any of ``cuis``."""
        return {edge for edge in self.edges if {edge.source, edge.target} & set(cuis)}


@pytest.fixture(scope="session")
def facts() -> Facts:
    names = {cui: tuple(names) for cui, (_, *names) in CONCEPTS.items()}
    groups = {cui: group for cui, (group, *_) in CONCEPTS.items()}
    return Facts(names, groups, tuple(EDGES), RETIRED, DISEASE, tuple(TYPES))


@pytest.fixture(scope="module")
def graph(driver: neo4j.Driver) -> neo4j.Driver:
    """A driver of the server that holds the graph above."""
    seed_graph(driver)
    return driver


@pytest.fixture(scope="session")
def server(services, settings: Settings) -> Iterator[str]:
    """The address of a server that the whole session shares."""
    with run_server(settings) as address:
        yield address


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[str]]:
    """``bali serve`` as a context: (settings, *options, **environment) -> its address."""
    return run_server


@pytest.fixture
def api(server: str, graph: neo4j.Driver) -> Iterator[httpx.Client]:
    """A client of the server, once it has seen the graph."""
    with httpx.Client(base_url=server, timeout=30) as client:
        while client.get("/status").json()["graph_version"] != "v1":
            time.sleep(0.1)
        yield client
