UNWIND $cuis AS cui
OPTIONAL MATCH (concept:Concept {cui: cui})
RETURN cui,
       properties(concept) AS properties,
       labels(concept) AS labels,
       COLLECT { MATCH (concept)-[:HAS_ATOM]->(a:Atom) RETURN [a.aui, a.sab, a.name] } AS atoms,
       COLLECT { MATCH (concept)-[:HAS_SEMANTIC_TYPE]->(t) RETURN t.tui } AS types,
       COLLECT {
         MATCH (concept)-[:DEFINED_BY]->(d:Definition) RETURN [d.atui, d.sab, d.text]
       } AS definitions,
       COLLECT {
         MATCH (concept)-[edge]-(neighbour:Concept)
         RETURN [startNode(edge) = concept, type(edge), neighbour.cui, edge.rel, edge.rela, edge.sabs]
       } AS edges;
