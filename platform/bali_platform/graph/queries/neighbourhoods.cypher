// Names and edges of thousands of concepts at once, in the order asked: a list of rows for each list
// of CUIs. Returns no row at all when $graph_version is not the live graph's, so that a reader never
// mixes two graphs. Edges are written as 'TYPE >CUI' out of the concept and 'TYPE <CUI' into it, so
// that the order of the texts is that of a neighbourhood.
// The edges of a concept that carries sampled_edges (a hub) are never touched.
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
  WITH asked, coalesce(current, successor) AS concept
  CALL (concept) {
    WITH concept WHERE concept.sampled_edges IS NULL
    MATCH (concept)-[edge]-(neighbour:Concept)
    RETURN collect(
      type(edge) + CASE WHEN startNode(edge) = concept THEN ' >' ELSE ' <' END + neighbour.cui
    ) AS edges
  }
  RETURN collect([
    asked,
    concept.cui,
    concept.names[..$max_names],
    coalesce(
      [entry IN concept.sampled_edges |
        substring(split(entry, '|')[0], 1) + ' ' + left(entry, 1) + split(entry, '|')[1]],
      edges
    )
  ]) AS rows
}
RETURN rows
