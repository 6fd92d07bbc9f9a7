// The shortest paths between two concepts
// $from and $to: for example 'C0027051' and 'C0004057'
MATCH (source:Concept {cui: $from}), (target:Concept {cui: $to})
MATCH path = allShortestPaths((source)-[*..8]-(target))
WHERE all(node IN nodes(path) WHERE node:Concept)
RETURN path
LIMIT 25
