// The concepts whose atoms carry [source, code] pairs, with those atoms: a list of rows for each
// list of pairs.
UNWIND $chunks AS pairs
CALL (pairs) {
  UNWIND pairs AS pair
  MATCH (atom:Atom {sab: pair[0], code: pair[1]})<-[:HAS_ATOM]-(concept:Concept)
  WITH pair, concept, collect([atom.name, atom.tty, atom.suppress, atom.aui]) AS atoms
  RETURN collect([
    pair[0], pair[1], concept.cui, concept.name, concept.semantic_types,
    [label IN labels(concept) WHERE label <> 'Concept'], atoms
  ]) AS rows
}
RETURN rows
