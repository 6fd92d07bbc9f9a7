// Every name of a concept, with the vocabulary and code it comes from
// $cui: for example 'C0027051'
MATCH (concept:Concept {cui: $cui})-[:HAS_ATOM]->(atom:Atom)
RETURN atom.name AS name, atom.sab AS source, atom.tty AS term_type, atom.code AS code,
       atom.language AS language
ORDER BY source, name
