// Names of many concepts, best first, a list of rows for each list of CUIs; retired CUIs answer with
// their successor's. Returns no row at all when $graph_version is not the live graph's.
MATCH (:Release {graph_version: $graph_version})
UNWIND $chunks AS cuis
CALL (cuis) {
  UNWIND cuis AS asked
  OPTIONAL MATCH (current:Concept {cui: asked})
  CALL (asked, current) {
    UNWIND CASE WHEN current IS NULL THEN [asked] ELSE [] END AS retired
    MATCH (:RetiredConcept {cui: retired})-[replaced:REPLACED_BY]->(successor:Concept)
    WITH successor
    ORDER BY CASE replaced.rel WHEN 'SY' THEN 0 WHEN 'RB' THEN 1 WHEN 'RN' THEN 2 ELSE 3 END,
             successor.cui
    LIMIT 1
    RETURN head(collect(successor)) AS successor
  }
  RETURN collect([asked, coalesce(current, successor).names[..$max_names]]) AS rows
}
RETURN rows
