MATCH (concept:Concept) RETURN 'names' AS total, sum(size(concept.names)) AS count
UNION ALL
MATCH (:Concept)-[edge]->(:Concept) UNWIND edge.sabs AS total RETURN total, count(*) AS count;
