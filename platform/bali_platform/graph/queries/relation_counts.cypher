// How many edges there are of each relationship type, from Neo4j's own counts: none is visited.
CALL db.stats.retrieve('GRAPH COUNTS')
YIELD data
UNWIND data.relationships AS counted
WITH counted
WHERE counted.relationshipType IS NOT NULL
  AND counted.startLabel IS NULL
  AND counted.endLabel IS NULL
RETURN counted.relationshipType AS type, counted.count AS edges
