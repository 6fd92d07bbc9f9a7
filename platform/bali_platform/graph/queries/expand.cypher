// What many CUIs lead to, a list of rows for each list of CUIs: the live concept of each (a retired
// one's successor; unknown ones have no row) and its filtered edges, with what a picture shows of
// both ends. Null filters admit everything. Of a concept that carries sampled_edges (a hub) only
// those are looked at, unless $whole.
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
  WHERE concept IS NOT NULL
  CALL (concept) {
    CALL (concept) {
      WITH concept WHERE concept.sampled_edges IS NULL OR $whole
      MATCH (concept)-[edge]-(neighbour:Concept)
      RETURN edge, neighbour
      UNION ALL
      WITH concept WHERE NOT $whole
      UNWIND concept.sampled_edges AS entry
      WITH concept, entry, split(entry, '|') AS parts
      MATCH (neighbour:Concept {cui: parts[1]})
      MATCH (concept)-[edge]-(neighbour)
      WHERE CASE WHEN startNode(edge) = concept THEN '>' ELSE '<' END + type(edge) = parts[0]
      RETURN edge, neighbour
    }
    WITH edge, neighbour, startNode(edge) = concept AS outgoing
    WHERE ($types IS NULL OR type(edge) IN $types)
      AND ($sources IS NULL OR any(source IN edge.sabs WHERE source IN $sources))
      AND ($groups IS NULL OR any(label IN labels(neighbour) WHERE label IN $groups))
      AND ($outgoing IS NULL OR outgoing = $outgoing)
    RETURN collect([
      neighbour.cui, type(edge), outgoing, edge.sabs,
      neighbour.name, neighbour.semantic_types,
      [label IN labels(neighbour) WHERE label <> 'Concept']
    ]) AS edges
  }
  RETURN collect([
    asked,
    concept.cui,
    concept.name,
    concept.semantic_types,
    [label IN labels(concept) WHERE label <> 'Concept'],
    concept.sampled_edges IS NOT NULL AND NOT $whole,
    edges
  ]) AS rows
}
RETURN rows
