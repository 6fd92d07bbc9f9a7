UNWIND $cuis AS cui
MATCH (concept:Concept {cui: cui})
RETURN cui, keys(concept) AS keys;
