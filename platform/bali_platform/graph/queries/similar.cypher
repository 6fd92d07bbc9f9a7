// The concepts whose vectors are nearest to a concept's own. The index compares compressed vectors:
// the nearest of more candidates are found by the vectors themselves.
MATCH (concept:Concept {cui: $cui})
WHERE concept.embedding IS NOT NULL
CALL db.index.vector.queryNodes('concept_embedding', $candidates, concept.embedding)
YIELD node
WHERE node <> concept
RETURN node.cui AS cui,
       node.name AS name,
       node.semantic_types AS semantic_types,
       2 * vector.similarity.cosine(node.embedding, concept.embedding) - 1 AS cosine
ORDER BY cosine DESC, cui
LIMIT $limit
