// From codes of a vocabulary to the codes just above them, atom by atom, and from those above them for
// one step more, since whoever asks goes on: a list of rows for each list of codes.
UNWIND $chunks AS nodes
CALL (nodes) {
  UNWIND nodes AS node
  MATCH (:Atom {sab: $source, code: node})-[:BELOW]->(first:Atom {sab: $source})
  WITH nodes, collect(DISTINCT first.code) AS firsts
  UNWIND nodes + firsts AS code
  WITH DISTINCT code
  MATCH (:Atom {sab: $source, code: code})-[:BELOW]->(next:Atom {sab: $source})
  WHERE next.code <> code
  WITH code, collect(DISTINCT next.code) AS next
  RETURN collect([code, next]) AS rows
}
RETURN rows
