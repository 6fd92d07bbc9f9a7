UNWIND $cuis AS cui
OPTIONAL MATCH (retired:RetiredConcept {cui: cui})
RETURN cui,
       retired.reason AS reason,
       COLLECT {
         MATCH (retired)-[edge:REPLACED_BY]->(concept:Concept) RETURN [concept.cui, edge.rel]
       } AS replacements;
