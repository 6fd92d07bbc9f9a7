// Filtered edges of many concepts at once. Null filters admit everything. Of a concept that carries
// sampled_edges (a hub) only those are looked at, unless it is listed in $whole.
UNWIND $cuis AS cui
MATCH (concept:Concept {cui: cui})
CALL (concept) {
  WITH concept WHERE concept.sampled_edges IS NULL OR concept.cui IN $whole
  MATCH (concept)-[edge]-(neighbour:Concept)
  RETURN edge, neighbour
  UNION ALL
  WITH concept WHERE NOT concept.cui IN $whole
  UNWIND concept.sampled_edges AS entry
  WITH concept, entry, split(entry, '|') AS parts
  MATCH (neighbour:Concept {cui: parts[1]})
  MATCH (concept)-[edge]-(neighbour)
  WHERE CASE WHEN startNode(edge) = concept THEN '>' ELSE '<' END + type(edge) = parts[0]
  RETURN edge, neighbour
}
WITH concept, edge, neighbour, startNode(edge) = concept AS outgoing
RETURN concept.cui AS cui,
       concept.sampled_edges IS NOT NULL AND NOT concept.cui IN $whole AS sampled,
       collect(
         CASE
           WHEN ($types IS NULL OR type(edge) IN $types)
             AND ($sources IS NULL OR any(source IN edge.sabs WHERE source IN $sources))
             AND ($groups IS NULL OR any(label IN labels(neighbour) WHERE label IN $groups))
             AND ($outgoing IS NULL OR outgoing = $outgoing)
           THEN [neighbour.cui, type(edge), outgoing, edge.sabs]
         END
       ) AS edges
