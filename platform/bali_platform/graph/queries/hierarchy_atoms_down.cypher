// From codes of a vocabulary to the codes just below them, atom by atom: a list of rows for each list
// of codes.
UNWIND $chunks AS nodes
CALL (nodes) {
  UNWIND nodes AS code
  MATCH (:Atom {sab: $source, code: code})<-[:BELOW]-(next:Atom {sab: $source})
  WHERE next.code <> code
  WITH code, collect(DISTINCT next.code) AS next
  RETURN collect([code, next]) AS rows
}
RETURN rows
