// Full records of many live concepts.
UNWIND $cuis AS cui
MATCH (concept:Concept {cui: cui})
RETURN concept.cui AS cui,
       concept.name AS name,
       concept.names AS names,
       concept.definition AS definition,
       concept.semantic_types AS semantic_types,
       [label IN labels(concept) WHERE label <> 'Concept'] AS groups,
       concept.sources AS sources,
       coalesce(concept.suppressed, false) AS suppressed
