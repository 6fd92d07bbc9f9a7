// Every edge among the given concepts. Edges with an end that is no hub are found from that end;
// hubs are joined pair by pair, which does not scan them either.
UNWIND $cuis AS cui
MATCH (concept:Concept {cui: cui})
WHERE concept.sampled_edges IS NULL
MATCH (concept)-[edge]-(other:Concept)
WHERE other.cui IN $cuis
RETURN startNode(edge).cui AS source, endNode(edge).cui AS target, type(edge) AS type,
       edge.sabs AS sources
UNION
UNWIND $cuis AS cui
MATCH (concept:Concept {cui: cui})
WHERE concept.sampled_edges IS NOT NULL
UNWIND $cuis AS another
MATCH (other:Concept {cui: another})
WHERE other.sampled_edges IS NOT NULL
MATCH (concept)-[edge]->(other)
RETURN concept.cui AS source, other.cui AS target, type(edge) AS type, edge.sabs AS sources
