// Vectors of another length need another index.
DROP INDEX concept_embedding IF EXISTS
