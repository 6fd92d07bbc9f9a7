// One concept's edges with what they say, filtered, a page at a time. Null filters admit everything.
MATCH (concept:Concept {cui: $cui})
MATCH (concept)-[edge]-(neighbour:Concept)
WHERE ($types IS NULL OR type(edge) IN $types)
  AND ($sources IS NULL OR any(source IN edge.sabs WHERE source IN $sources))
  AND ($groups IS NULL OR any(label IN labels(neighbour) WHERE label IN $groups))
  AND ($outgoing IS NULL OR (startNode(edge) = concept) = $outgoing)
WITH concept, edge, neighbour, type(edge) AS type, startNode(edge) = concept AS outgoing
ORDER BY type, outgoing, neighbour.cui
SKIP $skip
LIMIT $limit
RETURN neighbour.cui AS cui,
       neighbour.name AS name,
       neighbour.semantic_types AS semantic_types,
       type,
       outgoing,
       edge.sabs AS sources,
       [label IN labels(neighbour) WHERE label <> 'Concept'] AS groups
