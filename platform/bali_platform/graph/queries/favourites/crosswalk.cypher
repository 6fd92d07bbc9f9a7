// From one vocabulary's code to another vocabulary's, through the concept
// $source, $code: for example 'SNOMEDCT_US', '22298006'; $target: for example 'ICD10CM'
MATCH (:Atom {sab: $source, code: $code})<-[:HAS_ATOM]-(concept:Concept)
MATCH (concept)-[:HAS_ATOM]->(atom:Atom)
WHERE atom.sab = $target
RETURN DISTINCT atom.code AS code, atom.name AS name, concept.cui AS cui, concept.name AS concept
ORDER BY code, name
