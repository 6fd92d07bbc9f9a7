// Full records of the live concepts of CUIs: themselves, or retired ones' successors.
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
WHERE concept IS NOT NULL
RETURN asked,
       concept.cui AS cui,
       concept.name AS name,
       concept.names AS names,
       concept.definition AS definition,
       concept.semantic_types AS semantic_types,
       [label IN labels(concept) WHERE label <> 'Concept'] AS groups,
       concept.sources AS sources,
       coalesce(concept.suppressed, false) AS suppressed
