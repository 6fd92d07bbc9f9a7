// Concepts whose atoms carry this source's code.
MATCH (atom:Atom {sab: $source, code: $code})<-[:HAS_ATOM]-(concept:Concept)
RETURN concept.cui AS cui,
       concept.name AS name,
       collect(DISTINCT atom.name)[0] AS matched,
       concept.semantic_types AS semantic_types
ORDER BY cui
LIMIT $limit
