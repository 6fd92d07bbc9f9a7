CREATE FULLTEXT INDEX concept_names IF NOT EXISTS FOR (n:Concept) ON EACH [n.names]
OPTIONS {indexConfig: {`fulltext.analyzer`: 'standard-folding'}};
CREATE FULLTEXT INDEX definitions IF NOT EXISTS FOR (n:Definition) ON EACH [n.text]
OPTIONS {indexConfig: {`fulltext.analyzer`: 'standard-folding'}};
CREATE INDEX atom_code IF NOT EXISTS FOR (n:Atom) ON (n.sab, n.code);
CREATE INDEX attribute_name IF NOT EXISTS FOR (n:Attribute) ON (n.sab, n.name);
CREATE INDEX mapping_to IF NOT EXISTS FOR (n:Mapping) ON (n.to);
CREATE CONSTRAINT concept_cui IF NOT EXISTS FOR (n:Concept) REQUIRE n.cui IS UNIQUE;
CREATE CONSTRAINT atom_aui IF NOT EXISTS FOR (n:Atom) REQUIRE n.aui IS UNIQUE;
CREATE CONSTRAINT definition_atui IF NOT EXISTS FOR (n:Definition) REQUIRE n.atui IS UNIQUE;
CREATE CONSTRAINT semantic_type_tui IF NOT EXISTS FOR (n:SemanticType) REQUIRE n.tui IS UNIQUE;
CREATE CONSTRAINT source_sab IF NOT EXISTS FOR (n:Source) REQUIRE n.sab IS UNIQUE;
CREATE CONSTRAINT retired_cui IF NOT EXISTS FOR (n:RetiredConcept) REQUIRE n.cui IS UNIQUE;
