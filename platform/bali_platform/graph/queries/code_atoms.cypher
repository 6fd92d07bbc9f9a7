// Every term of concepts, of some vocabularies or all, by vocabulary: a list of rows for each list of
// concepts.
UNWIND $chunks AS cuis
CALL (cuis) {
  UNWIND cuis AS cui
  MATCH (:Concept {cui: cui})-[:HAS_ATOM]->(atom:Atom)
  WHERE $sources IS NULL OR atom.sab IN $sources
  WITH cui, atom
  ORDER BY cui, atom.sab, coalesce(atom.code, ''), coalesce(atom.tty, ''), atom.name, atom.aui
  RETURN collect([
    cui, atom.aui, atom.sab, coalesce(atom.code, ''), coalesce(atom.tty, ''), atom.name,
    coalesce(atom.language, ''), coalesce(atom.suppress, 'N') <> 'N'
  ]) AS rows
}
RETURN rows
