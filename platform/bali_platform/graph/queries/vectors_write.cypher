// Vectors of many concepts, as arrays of 32-bit numbers.
UNWIND $rows AS row
MATCH (concept:Concept {cui: row[0]})
CALL db.create.setNodeVectorProperty(concept, 'embedding', row[1])
