// The vectors of many concepts; null for one that has none.
UNWIND $cuis AS cui
MATCH (concept:Concept {cui: cui})
RETURN cui, concept.embedding AS vector
