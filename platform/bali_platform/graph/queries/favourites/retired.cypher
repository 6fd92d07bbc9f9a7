// What became of a retired concept
// $cui: a CUI that is no longer in use
MATCH (retired:RetiredConcept {cui: $cui})
OPTIONAL MATCH (retired)-[replaced:REPLACED_BY]->(successor:Concept)
RETURN retired.reason AS reason, retired.release AS release, replaced.rel AS relation,
       successor.cui AS successor, successor.name AS name
