// The concepts just above and just below concepts by what a vocabulary states: a list of rows for each
// list of concepts.
UNWIND $chunks AS nodes
CALL (nodes) {
  UNWIND nodes AS cui
  MATCH (concept:Concept {cui: cui})-[edge:ISA|CHD]-(next:Concept)
  WHERE $source IN edge.sabs
  WITH cui,
       collect(DISTINCT CASE startNode(edge) WHEN concept THEN next.cui END) AS above,
       collect(DISTINCT CASE endNode(edge) WHEN concept THEN next.cui END) AS below
  RETURN collect([cui, above, below]) AS rows
}
RETURN rows
