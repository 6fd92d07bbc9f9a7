// Wait until the index has taken in every vector.
CALL db.awaitIndex('concept_embedding', $seconds)
