// From concepts to those just above them by what a vocabulary states: a list of rows for each list of
// concepts.
UNWIND $chunks AS nodes
CALL (nodes) {
  UNWIND nodes AS cui
  MATCH (:Concept {cui: cui})-[edge:ISA|CHD]->(next:Concept)
  WHERE $source IN edge.sabs
  WITH cui, collect(DISTINCT next.cui) AS next
  RETURN collect([cui, next]) AS rows
}
RETURN rows
