// Full-text search over every name of every concept; $query is in Lucene's syntax.
CALL db.index.fulltext.queryNodes('concept_names', $query, {limit: $limit})
YIELD node, score
RETURN node.cui AS cui,
       node.name AS name,
       node.names AS names,
       node.semantic_types AS semantic_types,
       score
ORDER BY score DESC, cui
