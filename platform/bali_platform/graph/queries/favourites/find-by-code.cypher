// Find the concept behind a vocabulary's code
// $source: the vocabulary, for example 'SNOMEDCT_US'; $code: for example '22298006'
MATCH (atom:Atom {sab: $source, code: $code})<-[:HAS_ATOM]-(concept:Concept)
RETURN DISTINCT concept.cui AS cui, concept.name AS name, concept.semantic_types AS semantic_types
