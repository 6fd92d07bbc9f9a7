// What map sets (MRMAP) say of codes, by the rules that hang on the codes' concepts: a list of rows
// for each list of [source, code] pairs.
UNWIND $chunks AS pairs
CALL (pairs) {
  UNWIND pairs AS pair
  MATCH (:Atom {sab: pair[0], code: pair[1]})<-[:HAS_ATOM]-(concept:Concept)
  MATCH (concept)-[:HAS_MAPPING]->(mapping:Mapping)
  WHERE mapping.from = pair[1] OR mapping.from = concept.cui
  WITH DISTINCT pair, concept, mapping
  RETURN collect([pair[0], pair[1], concept.cui, concept.name, mapping {.*}]) AS rows
}
RETURN rows
