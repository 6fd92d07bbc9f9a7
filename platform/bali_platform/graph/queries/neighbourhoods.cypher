// Names and edges of thousands of concepts at once, in the order asked. Returns no row at all when
// $graph_version is not the live graph's, so that a reader never mixes two graphs.
// Edges are written as in sampled_edges: '>TYPE|CUI' points out of the concept, '<TYPE|CUI' into it.
// The edges of a concept that carries sampled_edges (a hub) are never touched.
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
WITH asked, coalesce(current, successor) AS concept
CALL (concept) {
  WITH concept WHERE concept.sampled_edges IS NULL
  MATCH (concept)-[edge]-(neighbour:Concept)
  RETURN collect(
    CASE WHEN startNode(edge) = concept THEN '>' ELSE '<' END + type(edge) + '|' + neighbour.cui
  ) AS edges
}
RETURN asked,
       concept.cui AS cui,
       concept.names[..$max_names] AS names,
       coalesce(concept.sampled_edges, edges) AS edges
