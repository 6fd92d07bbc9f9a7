UNWIND $rows AS row
MATCH (concept:Concept {cui: row.cui})
SET concept += row.properties
SET concept:$(row.labels);
