// The concepts whose vectors are nearest to one that is given, as in similar.cypher.
CALL db.index.vector.queryNodes('concept_embedding', $candidates, $vector)
YIELD node
RETURN node.cui AS cui,
       node.name AS name,
       node.semantic_types AS semantic_types,
       2 * vector.similarity.cosine(node.embedding, $vector) - 1 AS cosine
ORDER BY cosine DESC, cui
LIMIT $limit
