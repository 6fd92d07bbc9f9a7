// The concepts whose atoms carry the given [source, code] pairs, with those atoms.
UNWIND $codes AS pair
MATCH (atom:Atom {sab: pair[0], code: pair[1]})<-[:HAS_ATOM]-(concept:Concept)
WITH pair, concept, collect([atom.name, atom.tty, atom.suppress, atom.aui]) AS atoms
RETURN pair[0] AS source,
       pair[1] AS code,
       concept.cui AS cui,
       concept.name AS concept,
       concept.semantic_types AS semantic_types,
       [label IN labels(concept) WHERE label <> 'Concept'] AS groups,
       atoms
