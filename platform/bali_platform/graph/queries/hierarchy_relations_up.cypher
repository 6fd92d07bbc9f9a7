// From concepts to those just above them by what a vocabulary states, and from those above them for one
// step more, since whoever asks goes on: a list of rows for each list of concepts.
UNWIND $chunks AS nodes
CALL (nodes) {
  UNWIND nodes AS cui
  MATCH (:Concept {cui: cui})
        (()-[step:ISA|CHD WHERE $source IN step.sabs]->()){0,1}
        (below:Concept)-[edge:ISA|CHD]->(next:Concept)
  WHERE $source IN edge.sabs
  WITH below, collect(DISTINCT next.cui) AS next
  RETURN collect([below.cui, next]) AS rows
}
RETURN rows
