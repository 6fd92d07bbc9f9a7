// From codes of a vocabulary to the codes just below them, atom by atom.
UNWIND $nodes AS code
MATCH (:Atom {sab: $source, code: code})<-[:BELOW]-(next:Atom {sab: $source})
WHERE next.code <> code
RETURN code AS start, collect(DISTINCT next.code) AS next
