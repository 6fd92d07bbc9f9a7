// Concepts most similar in meaning, once `bali embed` has written vectors
// $cui: for example 'C0027051'
MATCH (concept:Concept {cui: $cui})
WHERE concept.embedding IS NOT NULL
CALL db.index.vector.queryNodes('concept_embedding', 11, concept.embedding)
YIELD node, score
WHERE node <> concept
RETURN node.cui AS cui, node.name AS name, node.semantic_types AS semantic_types,
       2 * score - 1 AS cosine
