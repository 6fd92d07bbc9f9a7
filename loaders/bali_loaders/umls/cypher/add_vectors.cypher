UNWIND $rows AS row
MATCH (concept:Concept {cui: row.cui})
CALL db.create.setNodeVectorProperty(concept, $property, row.vector);
