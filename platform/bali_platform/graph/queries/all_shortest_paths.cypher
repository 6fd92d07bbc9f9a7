// Every shortest path between two concepts over concept-concept edges, of at most $max_length edges.
MATCH (source:Concept {cui: $source}), (target:Concept {cui: $target})
MATCH path = allShortestPaths((source)-[*..8]-(target))
WHERE all(node IN nodes(path) WHERE node:Concept)
  AND all(edge IN relationships(path) WHERE $types IS NULL OR type(edge) IN $types)
WITH path // a length condition inside the search would make it exhaustive
WHERE length(path) <= $max_length
RETURN [node IN nodes(path) | [node.cui, node.name]] AS nodes,
       [edge IN relationships(path) |
         [startNode(edge).cui, endNode(edge).cui, type(edge), edge.sabs]] AS edges
LIMIT $limit
