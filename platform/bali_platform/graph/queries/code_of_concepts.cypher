// The codes that some vocabularies give to concepts, with the atoms that carry them: a list of rows
// for each list of concepts.
UNWIND $chunks AS cuis
CALL (cuis) {
  UNWIND cuis AS cui
  MATCH (concept:Concept {cui: cui})-[:HAS_ATOM]->(atom:Atom)
  WHERE atom.sab IN $sources AND atom.code IS NOT NULL
  WITH concept, atom.sab AS source, atom.code AS code,
       collect([atom.name, atom.tty, atom.suppress, atom.aui]) AS atoms
  RETURN collect([
    source, code, concept.cui, concept.name, concept.semantic_types,
    [label IN labels(concept) WHERE label <> 'Concept'], atoms
  ]) AS rows
}
RETURN rows
