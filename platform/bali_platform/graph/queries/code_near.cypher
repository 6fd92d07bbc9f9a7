// Codes of some vocabularies that begin as a mistyped one does.
UNWIND $sources AS source
CALL (source) {
  MATCH (atom:Atom {sab: source})
  WHERE atom.code STARTS WITH $start
  RETURN DISTINCT atom.code AS code
  LIMIT 200
}
RETURN source, code
