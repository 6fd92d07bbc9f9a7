// Concepts whose atoms carry the given [source, code] pairs, with those atoms' term types.
UNWIND $codes AS pair
MATCH (atom:Atom {sab: pair[0], code: pair[1]})<-[:HAS_ATOM]-(concept:Concept)
RETURN pair[0] AS source,
       pair[1] AS code,
       concept.cui AS cui,
       collect(DISTINCT atom.tty) AS term_types
