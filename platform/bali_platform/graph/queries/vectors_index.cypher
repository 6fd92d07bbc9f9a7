// The index that finds concepts by their vectors' direction.
CREATE VECTOR INDEX concept_embedding IF NOT EXISTS
FOR (concept:Concept) ON concept.embedding
OPTIONS $options
