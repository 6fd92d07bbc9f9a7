// Full-text search over every name of every concept; $query is in Lucene's syntax. Of the $limit best
// the $most best that pass the filters are returned. Null filters admit everything; with languages
// only names of these are returned.
CALL db.index.fulltext.queryNodes('concept_names', $query, {limit: $limit})
YIELD node, score
WHERE ($types IS NULL OR any(type IN node.semantic_types WHERE type IN $types))
  AND ($groups IS NULL OR any(label IN labels(node) WHERE label IN $groups))
  AND ($sources IS NULL OR any(source IN node.sources WHERE source IN $sources))
WITH node, score,
     CASE
       WHEN $languages IS NULL THEN node.names
       ELSE COLLECT {
         MATCH (node)-[:HAS_ATOM]->(atom:Atom)
         WHERE atom.language IN $languages
         RETURN DISTINCT atom.name
       }
     END AS names
WHERE size(names) > 0
RETURN node.cui AS cui,
       node.name AS name,
       names,
       node.semantic_types AS semantic_types,
       score
ORDER BY score DESC, cui
LIMIT $most
