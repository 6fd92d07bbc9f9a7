// Names of many concepts, best first; retired CUIs answer with their successor's.
// Returns no row at all when $graph_version is not the live graph's.
MATCH (:Release {graph_version: $graph_version})
UNWIND $cuis AS asked
OPTIONAL MATCH (current:Concept {cui: asked})
CALL (asked, current) {
  WITH * WHERE current IS NULL
  MATCH (:RetiredConcept {cui: asked})-[replaced:REPLACED_BY]->(successor:Concept)
  WITH successor
  ORDER BY CASE replaced.rel WHEN 'SY' THEN 0 WHEN 'RB' THEN 1 WHEN 'RN' THEN 2 ELSE 3 END,
           successor.cui
  LIMIT 1
  RETURN head(collect(successor)) AS successor
}
RETURN asked, coalesce(current, successor).names[..$max_names] AS names
