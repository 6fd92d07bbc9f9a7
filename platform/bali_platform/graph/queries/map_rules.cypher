// What map sets (MRMAP) say of codes: the rules that hang on the codes' concepts.
UNWIND $codes AS pair
MATCH (:Atom {sab: pair[0], code: pair[1]})<-[:HAS_ATOM]-(concept:Concept)
MATCH (concept)-[:HAS_MAPPING]->(mapping:Mapping)
WHERE mapping.from = pair[1] OR mapping.from = concept.cui
WITH DISTINCT pair, concept, mapping
RETURN pair[0] AS source, pair[1] AS code, concept.cui AS cui, concept.name AS concept,
       mapping {.*} AS mapping
