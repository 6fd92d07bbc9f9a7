// Concepts near in meaning that nothing connects, once `bali embed` has written vectors
// $cui: for example 'C0027051'
MATCH (concept:Concept {cui: $cui})
WHERE concept.embedding IS NOT NULL
CALL db.index.vector.queryNodes('concept_embedding', 50, concept.embedding)
YIELD node, score
WHERE node <> concept AND NOT (concept)--(node)
RETURN node.cui AS cui, node.name AS name, 2 * score - 1 AS cosine
LIMIT 15
