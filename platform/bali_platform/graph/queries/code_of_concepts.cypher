// The codes that some vocabularies give to concepts, with the atoms that carry them.
UNWIND $cuis AS cui
MATCH (concept:Concept {cui: cui})-[:HAS_ATOM]->(atom:Atom)
WHERE atom.sab IN $sources AND atom.code IS NOT NULL
WITH concept, atom.sab AS source, atom.code AS code,
     collect([atom.name, atom.tty, atom.suppress, atom.aui]) AS atoms
RETURN source,
       code,
       concept.cui AS cui,
       concept.name AS concept,
       concept.semantic_types AS semantic_types,
       [label IN labels(concept) WHERE label <> 'Concept'] AS groups,
       atoms
