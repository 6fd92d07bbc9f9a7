// The codes just above and just below codes of a vocabulary, atom by atom: a list of rows for each list
// of codes.
UNWIND $chunks AS nodes
CALL (nodes) {
  UNWIND nodes AS code
  MATCH (atom:Atom {sab: $source, code: code})-[step:BELOW]-(next:Atom {sab: $source})
  WHERE next.code <> code
  WITH code,
       collect(DISTINCT CASE startNode(step) WHEN atom THEN next.code END) AS above,
       collect(DISTINCT CASE endNode(step) WHEN atom THEN next.code END) AS below
  RETURN collect([code, above, below]) AS rows
}
RETURN rows
