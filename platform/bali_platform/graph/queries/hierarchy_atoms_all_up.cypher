// Every step from codes of a vocabulary to all that are above their atoms.
UNWIND $nodes AS code
MATCH (:Atom {sab: $source, code: code})-[:BELOW*0..]->(atom:Atom {sab: $source})
WITH DISTINCT atom
MATCH (atom)-[:BELOW]->(next:Atom {sab: $source})
WHERE next.code <> atom.code
RETURN atom.code AS start, collect(DISTINCT next.code) AS next
