// What a picture or table of many live concepts shows of each.
UNWIND $cuis AS cui
MATCH (concept:Concept {cui: cui})
RETURN concept.cui AS cui,
       concept.name AS name,
       concept.semantic_types AS semantic_types,
       [label IN labels(concept) WHERE label <> 'Concept'] AS groups
