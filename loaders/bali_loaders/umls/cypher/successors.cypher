UNWIND $cuis AS cui
OPTIONAL MATCH (concept:Concept {cui: cui})
OPTIONAL MATCH (:RetiredConcept {cui: cui})-[:REPLACED_BY {rel: 'SY'}]->(successor:Concept)
WITH cui, concept.cui AS same, min(successor.cui) AS successor
RETURN cui, coalesce(same, successor) AS successor;
