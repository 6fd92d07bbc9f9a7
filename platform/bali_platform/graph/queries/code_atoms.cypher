// Every term of a concept, by vocabulary.
MATCH (:Concept {cui: $cui})-[:HAS_ATOM]->(atom:Atom)
RETURN atom.aui AS aui,
       atom.sab AS source,
       coalesce(atom.code, '') AS code,
       coalesce(atom.tty, '') AS term_type,
       atom.name AS term,
       coalesce(atom.language, '') AS language,
       coalesce(atom.suppress, 'N') <> 'N' AS suppressed
ORDER BY source, code, term_type, term, aui
