"""The loader's constraints and indexes, for graphs that tests write themselves."""

SCHEMA = (
    "CREATE CONSTRAINT concept_cui IF NOT EXISTS FOR (n:Concept) REQUIRE n.cui IS UNIQUE",
    "CREATE CONSTRAINT atom_aui IF NOT EXISTS FOR (n:Atom) REQUIRE n.aui IS UNIQUE",
    "CREATE CONSTRAINT retired_cui IF NOT EXISTS FOR (n:RetiredConcept) REQUIRE n.cui IS UNIQUE",
    "CREATE INDEX atom_code IF NOT EXISTS FOR (n:Atom) ON (n.sab, n.code)",
    "CREATE FULLTEXT INDEX concept_names IF NOT EXISTS FOR (n:Concept) ON EACH [n.names]",
    "CREATE FULLTEXT INDEX definitions IF NOT EXISTS FOR (n:Definition) ON EACH [n.text]",
)
